//! Export passphrases (rule K5).

use secrecy::{ExposeSecret, SecretString};

use super::{DeliveryError, Format};

/// How many characters an export passphrase must have (rule K5).
pub const LEAST_PASSPHRASE_CHARACTERS: usize = 8;

/// What stands against the passphrase for the format: missing, too short, not typable, or not ASCII where a key
/// store is made.
pub(super) fn objections(passphrase: Option<&SecretString>, format: Format) -> Vec<DeliveryError> {
    let least = LEAST_PASSPHRASE_CHARACTERS;
    let Some(passphrase) = passphrase else { return vec![DeliveryError::PassphraseMissing { format, least }] };
    let passphrase = passphrase.expose_secret();
    let characters = passphrase.chars().count();
    let mut objections = Vec::new();
    if characters < least {
        objections.push(DeliveryError::PassphraseTooShort { characters, least });
    }
    if passphrase.chars().any(char::is_control) {
        objections.push(DeliveryError::PassphraseControlCharacter);
    }
    if format.is_key_store() && !passphrase.is_ascii() {
        objections.push(DeliveryError::PassphraseNotAscii { format });
    }
    objections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(passphrase: &str, format: Format, expected: &[DeliveryError]) {
        assert_eq!(objections(Some(&passphrase.into()), format), expected);
    }

    #[test]
    fn eight_characters_are_required_and_enough() {
        let least = LEAST_PASSPHRASE_CHARACTERS;
        check("", Format::Pkcs8, &[DeliveryError::PassphraseTooShort { characters: 0, least }]);
        check("1234567", Format::Pkcs12, &[DeliveryError::PassphraseTooShort { characters: 7, least }]);
        check("12345678", Format::Pkcs12, &[]);
        // Characters are counted, not octets: seven of two octets each are too few.
        check("äöüßäöü", Format::Pkcs8, &[DeliveryError::PassphraseTooShort { characters: 7, least }]);
        assert_eq!(
            objections(None, Format::Pkcs8),
            [DeliveryError::PassphraseMissing { format: Format::Pkcs8, least }]
        );
    }

    #[test]
    fn key_stores_take_ascii_only_and_pkcs8_any_text() {
        check("Schlüsselbund", Format::Pkcs8, &[]);
        check("Schlüsselbund", Format::Nginx, &[]);
        check("Schlüsselbund", Format::Haproxy, &[]);
        for format in [Format::Pkcs12, Format::Jks, Format::Tomcat, Format::Iis, Format::Browser] {
            check("Schlüsselbund", format, &[DeliveryError::PassphraseNotAscii { format }]);
        }
    }

    #[test]
    fn control_characters_are_refused() {
        check("two\nlines of it", Format::Pkcs8, &[DeliveryError::PassphraseControlCharacter]);
        check("nul\0 in the midst", Format::Pkcs12, &[DeliveryError::PassphraseControlCharacter]);
    }

    #[test]
    fn every_fault_is_told() {
        let format = Format::Pkcs12;
        let all = [
            DeliveryError::PassphraseTooShort { characters: 2, least: LEAST_PASSPHRASE_CHARACTERS },
            DeliveryError::PassphraseControlCharacter,
            DeliveryError::PassphraseNotAscii { format },
        ];
        check("ä\t", format, &all);
    }
}
