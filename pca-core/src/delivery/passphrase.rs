//! Export passphrases (rule K5).

use secrecy::{ExposeSecret, SecretString};

use super::{DeliveryError, Format};

/// How many characters an export passphrase must have (rule K5).
pub const LEAST_PASSPHRASE_CHARACTERS: usize = 8;

/// The passphrase as the format may use it.
///
/// # Errors
/// [`DeliveryError`] of rule K5: missing, too short, not typable, or not ASCII where PKCS#12 is made.
pub(super) fn checked(passphrase: Option<&SecretString>, format: Format) -> Result<&str, DeliveryError> {
    let least = LEAST_PASSPHRASE_CHARACTERS;
    let passphrase = passphrase.ok_or(DeliveryError::PassphraseMissing { format, least })?.expose_secret();
    let characters = passphrase.chars().count();
    if characters < least {
        return Err(DeliveryError::PassphraseTooShort { characters, least });
    }
    if passphrase.chars().any(char::is_control) {
        return Err(DeliveryError::PassphraseControlCharacter);
    }
    if matches!(format, Format::Pkcs12 | Format::Browser) && !passphrase.is_ascii() {
        return Err(DeliveryError::PassphraseNotAscii { format });
    }
    Ok(passphrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(passphrase: &str, format: Format, expected: Result<(), DeliveryError>) {
        assert_eq!(checked(Some(&passphrase.into()), format).map(|_| ()), expected);
    }

    #[test]
    fn eight_characters_are_required_and_enough() {
        let least = LEAST_PASSPHRASE_CHARACTERS;
        check("", Format::Pkcs8, Err(DeliveryError::PassphraseTooShort { characters: 0, least }));
        check("1234567", Format::Pkcs12, Err(DeliveryError::PassphraseTooShort { characters: 7, least }));
        check("12345678", Format::Pkcs12, Ok(()));
        // Characters are counted, not octets: seven of two octets each are too few.
        check("äöüßäöü", Format::Pkcs8, Err(DeliveryError::PassphraseTooShort { characters: 7, least }));
        assert_eq!(
            checked(None, Format::Pkcs8).map(|_| ()),
            Err(DeliveryError::PassphraseMissing { format: Format::Pkcs8, least })
        );
    }

    #[test]
    fn pkcs12_takes_ascii_only_and_pkcs8_any_text() {
        check("Schlüsselbund", Format::Pkcs8, Ok(()));
        check("Schlüsselbund", Format::Nginx, Ok(()));
        for format in [Format::Pkcs12, Format::Browser] {
            check("Schlüsselbund", format, Err(DeliveryError::PassphraseNotAscii { format }));
        }
    }

    #[test]
    fn control_characters_are_refused() {
        check("two\nlines of it", Format::Pkcs8, Err(DeliveryError::PassphraseControlCharacter));
        check("nul\0 in the midst", Format::Pkcs12, Err(DeliveryError::PassphraseControlCharacter));
    }
}
