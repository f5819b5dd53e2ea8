// Validates certification paths with Java's PKIX validator, without revocation.
// Arguments: a file that lists files, each PEM with leaf, intermediates, root. Prints "OK file" or "NO file: reason".
import java.io.*;
import java.nio.file.*;
import java.security.cert.*;
import java.util.*;

public class PathJudge {
    public static void main(String[] arguments) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (String file : Files.readAllLines(Path.of(arguments[0]))) {
            try {
                List<X509Certificate> certificates = new ArrayList<>();
                for (Certificate certificate : factory.generateCertificates(new FileInputStream(file)))
                    certificates.add((X509Certificate) certificate);
                X509Certificate root = certificates.remove(certificates.size() - 1);
                PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
                parameters.setRevocationEnabled(false);
                CertPathValidator.getInstance("PKIX").validate(factory.generateCertPath(certificates), parameters);
                System.out.println("OK " + file);
            } catch (CertPathValidatorException | CertificateException | IndexOutOfBoundsException refused) {
                // The last is how Java 17 meets a DNS name below the excluded empty one, and an address of IPv4 below the
                // excluded ::/0.
                System.out.println("NO " + file + ": " + refused.getMessage());
            }
        }
    }
}
