// Validates certification paths with Java's PKIX validator, CRLs required; a file without any is about the path alone.
// Arguments: files, each PEM with leaf, intermediate, root, then CRLs. Prints "OK file" or "NO file: reason".
import java.io.*;
import java.nio.file.*;
import java.security.cert.*;
import java.util.*;

public class Judge {
    public static void main(String[] files) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (String file : files) {
            List<X509Certificate> certificates = new ArrayList<>();
            List<CRL> crls = new ArrayList<>();
            for (String block : Files.readString(Path.of(file)).split("(?<=-----END [A-Z0-9 ]{1,40}-----\n)")) {
                InputStream in = new ByteArrayInputStream(block.getBytes("UTF-8"));
                if (block.contains("BEGIN CERTIFICATE")) certificates.add((X509Certificate) factory.generateCertificate(in));
                if (block.contains("BEGIN X509 CRL")) crls.add(factory.generateCRL(in));
            }
            X509Certificate root = certificates.remove(certificates.size() - 1);
            PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
            parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(crls)));
            parameters.setRevocationEnabled(!crls.isEmpty());
            try {
                CertPathValidator.getInstance("PKIX").validate(factory.generateCertPath(certificates), parameters);
                System.out.println("OK " + file);
            } catch (CertPathValidatorException refused) {
                System.out.println("NO " + file + ": " + refused.getReason() + " " + refused.getMessage());
            }
        }
    }
}
