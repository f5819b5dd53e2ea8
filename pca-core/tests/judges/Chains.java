// Validates certification paths with Java's PKIX validator at a time, without revocation.
// Arguments: milliseconds since the epoch, then files, each PEM with leaf, intermediates, root. Prints "OK file" or "NO file: reason".
import java.io.*;
import java.security.GeneralSecurityException;
import java.security.cert.*;
import java.util.*;

public class Chains {
    public static void main(String[] arguments) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (String file : Arrays.copyOfRange(arguments, 1, arguments.length)) {
            try (InputStream in = new FileInputStream(file)) {
                List<X509Certificate> certificates = new ArrayList<>();
                for (Certificate certificate : factory.generateCertificates(in)) certificates.add((X509Certificate) certificate);
                X509Certificate root = certificates.remove(certificates.size() - 1);
                PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
                parameters.setRevocationEnabled(false);
                parameters.setDate(new Date(Long.parseLong(arguments[0])));
                CertPathValidator.getInstance("PKIX").validate(factory.generateCertPath(certificates), parameters);
                System.out.println("OK " + file);
            } catch (GeneralSecurityException refused) {
                System.out.println("NO " + file + ": " + refused.getMessage());
            }
        }
    }
}
