// Validates certification paths with Java's PKIX validator, which gets one OCSP response for the leaf and asks nobody.
// Arguments: directories, each with leaf.pem, issuer.pem, root.pem, response.der. Prints "OK dir" or "NO dir: reason".
import java.io.*;
import java.nio.file.*;
import java.security.cert.*;
import java.util.*;

public class OcspJudge {
    static X509Certificate read(CertificateFactory factory, Path file) throws Exception {
        try (InputStream in = Files.newInputStream(file)) {
            return (X509Certificate) factory.generateCertificate(in);
        }
    }

    public static void main(String[] directories) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (String name : directories) {
            Path directory = Path.of(name);
            X509Certificate leaf = read(factory, directory.resolve("leaf.pem"));
            X509Certificate issuer = read(factory, directory.resolve("issuer.pem"));
            X509Certificate root = read(factory, directory.resolve("root.pem"));
            List<X509Certificate> path = new ArrayList<>(List.of(leaf));
            if (!issuer.equals(root)) path.add(issuer);
            CertPathValidator validator = CertPathValidator.getInstance("PKIX");
            PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
            checker.setOptions(EnumSet.of(
                PKIXRevocationChecker.Option.ONLY_END_ENTITY, PKIXRevocationChecker.Option.NO_FALLBACK));
            checker.setOcspResponses(Map.of(leaf, Files.readAllBytes(directory.resolve("response.der"))));
            PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
            parameters.addCertPathChecker(checker);
            try {
                validator.validate(factory.generateCertPath(path), parameters);
                System.out.println("OK " + name);
            } catch (CertPathValidatorException refused) {
                System.out.println("NO " + name + ": " + refused.getReason() + " " + refused.getMessage());
            }
        }
    }
}
