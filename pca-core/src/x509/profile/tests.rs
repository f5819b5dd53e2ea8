#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

#[test]
fn i5_key_usage_follows_the_key() {
    let rsa = KeyKind::Rsa { modulus_bits: 2048 };
    let signs = KeyUsage::DIGITAL_SIGNATURE;
    assert_eq!(Profile::Server.key_usage(rsa), Ok(signs.with(KeyUsage::KEY_ENCIPHERMENT)));
    for key in [KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519] {
        assert_eq!(Profile::Client.key_usage(key), Ok(signs));
    }
    assert_eq!(Profile::CodeSigning.key_usage(rsa), Ok(signs));
    assert_eq!(Profile::Email.key_usage(KeyKind::P256), Ok(signs.with(KeyUsage::KEY_AGREEMENT)));
    assert_eq!(Profile::DataEncryption.key_usage(KeyKind::P384), Ok(KeyUsage::KEY_AGREEMENT));
    assert_eq!(Profile::DataEncryption.key_usage(KeyKind::Ed25519), Err(ProfileError::CannotEncrypt));
}

#[test]
fn names_are_read_back() {
    for profile in Profile::ALL {
        assert_eq!(profile.name().parse(), Ok(profile));
        assert_eq!(profile.definition().name, profile);
        let name = ProfileName::from(profile);
        let packed = rmp_serde::to_vec_named(&name).unwrap();
        assert_eq!(packed, rmp_serde::to_vec_named(&profile).unwrap(), "as the log has always had it");
        assert_eq!(rmp_serde::from_slice::<ProfileName>(&packed).unwrap(), name);
    }
    assert!("printer".parse::<Profile>().is_err());
}

#[test]
fn i2_names_of_ones_own_profiles() {
    for right in ["vpn", "vpn-gateway-2", "7", &"x".repeat(32)] {
        let name: ProfileName = right.parse().unwrap();
        assert_eq!((name.as_str(), name.built_in()), (right, None));
        assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{right}\""));
    }
    for wrong in ["", "VPN", "-a", "a-", "a--b", "a_b", "a b", "ü", &"x".repeat(33)] {
        assert!(wrong.parse::<ProfileName>().is_err(), "{wrong}");
    }
    assert!(CustomName::parse("server").is_err());
    assert!(core::mem::size_of::<ProfileName>() <= 34, "it is copied with every request");
}

/// Those that are built in keep the rules for profiles of one's own, but for what is theirs alone.
#[test]
fn i2_the_built_in_profiles_are_without_flaws() {
    for profile in Profile::ALL {
        let flaws = profile.definition().flaws();
        let own = |flaw: &ProfileFlaw| match flaw {
            ProfileFlaw::BuiltIn { .. } => true,
            ProfileFlaw::NoCheck | ProfileFlaw::Purpose { .. } => profile == Profile::OcspSigning,
            _ => false,
        };
        assert!(flaws.iter().all(own), "{profile}: {flaws:?}");
    }
}

#[test]
fn i2_a_profile_comes_back_from_its_json_and_from_the_log() {
    for profile in Profile::ALL {
        let mut definition = profile.definition().clone();
        definition.name = "own".parse().unwrap();
        let packed = rmp_serde::to_vec_named(&definition).unwrap();
        assert_eq!(rmp_serde::from_slice::<ProfileDefinition>(&packed).unwrap(), definition);
        if profile != Profile::OcspSigning {
            let json = serde_json::to_string(&definition).unwrap();
            assert_eq!(ProfileDefinition::from_json(&json).unwrap(), definition, "{json}");
        }
    }
}

#[test]
fn i2_little_need_be_said() {
    let text = r#"{"name": "vpn", "extended_key_usage": {"purposes": ["clientAuth", "1.3.6.1.5.5.7.3.17"]}}"#;
    let definition = ProfileDefinition::from_json(text).unwrap();
    assert_eq!(definition.purposes().len(), 2);
    assert_eq!((definition.validity.default_days, definition.validity.longest_days), (90, None));
    assert_eq!(definition.subject, SubjectRules::open(CommonNameRule::Optional));
    let short =
        r#"{"name": "vpn", "extended_key_usage": {"purposes": ["clientAuth"]}, "validity": {"longest_days": 3}}"#;
    assert_eq!(ProfileDefinition::from_json(short).unwrap().validity.default_days, 3);
}

fn flaws(text: &str) -> Vec<String> {
    match ProfileDefinition::from_json(text) {
        Err(ProfileJsonError::Flaws(flaws)) => flaws.iter().map(ToString::to_string).collect(),
        other => panic!("{text}: {other:?}"),
    }
}

#[track_caller]
fn refused(rest: &str, why: &str) {
    let text = format!(r#"{{"name": "own", {rest}}}"#);
    let told = flaws(&text);
    assert!(told.iter().any(|flaw| flaw.contains(why)), "{why}: {told:#?}");
}

#[test]
fn i2_nonsense_is_refused() {
    let client = r#""extended_key_usage": {"purposes": ["clientAuth"]}"#;
    let with = |rest: &str| format!("{client}, {rest}");
    refused(&with(r#""shoe": 1"#), "`shoe` is no field");
    refused(&with(r#""names": {"pony": {}}"#), "`names.pony` is no field");
    refused(&with(r#""ca": true"#), "never CAs");
    refused(&with(r#""basic_constraints": {"ca": true}"#), "never CAs");
    refused(&with(r#""key_usage": {"rsa": ["keyCertSign", "digitalSignature"]}"#), "keyCertSign, which only CAs have");
    refused(&with(r#""key_usage": {"ec": ["cRLSign"]}"#), "cRLSign, which only CAs have");
    refused(&with(r#""key_usage": {"ec": ["digitalSignature", "keyEncipherment"]}"#), "such a key cannot do");
    refused(&with(r#""key_usage": {"ed25519": ["keyAgreement"]}"#), "such a key cannot do");
    refused(&with(r#""key_usage": {"ec": ["digitalSignature", "encipherOnly"]}"#), "without keyAgreement");
    refused(&with(r#""key_usage": {}"#), "no kind of key");
    refused(&with(r#""key_usage": {"rsa": ["keyEncipherment"]}"#), "nobody can make use of clientAuth");
    refused(&with(r#""key_usage": {"rsa": ["signing"]}"#), "`key_usage.rsa` is `signing`");
    refused(&with(r#""validity": {"default_days": 0}"#), "`validity.default_days` is 0");
    refused(&with(r#""validity": {"longest_days": 40000}"#), "1 to 36525 days");
    refused(&with(r#""validity": {"default_days": 9, "longest_days": 8}"#), "beyond `validity.longest_days`");
    refused(&with(r#""validity": {"default_days": -1}"#), "a whole number of days");
    refused(&with(r#""revocation": "not-available""#), "at most 7 days");
    refused(&with(r#""revocation": "not-available", "validity": {"longest_days": 8}"#), "is 8 while");
    refused(&with(r#""revocation": "no-check""#), "only the built-in ocsp-signing");
    refused(&with(r#""names": {"email": {"least": 3, "most": 2}}"#), "`names.email` is 3 to 2");
    refused(&with(r#""names": {"email": {"most": 0}}"#), "the most at least 1");
    refused(&with(r#""names": {"email": {"most": 101}}"#), "at most 100");
    refused(&with(r#""names": {"email": {"least": 60}, "uri": {"least": 60}}"#), "requires 120 names");
    refused(&with(r#""names": {"uri": {}, "uri_form": "spiffe"}"#), "exactly one URI");
    refused(&with(r#""names": {"uri_form": "spiffe"}"#), "no uri is allowed");
    refused(&with(r#""names": {"wildcards": true}"#), "no dns is allowed");
    refused(&with(r#""subject": {"common_name": "server-name"}"#), "neither dns nor ip");
    refused(&with(r#""subject": {"common_name": "maybe"}"#), "one of required, optional");
    refused(&with(r#""policies": ["1.2.3", "1.2.3"]"#), "1.2.3 twice");
    refused(&with(r#""policies": ["clientAuth"]"#), "`policies` is `clientAuth`");
    refused(&with(&format!(r#""description": "{}""#, "x".repeat(201))), "201 characters");
    let nobody = r#""subject": {"common_name": "forbidden", "organization": "forbidden", "organizational_unit":
        "forbidden", "country": "forbidden", "state": "forbidden", "locality": "forbidden"}"#;
    refused(&with(nobody), "neither subject nor names");
    refused(r#""description": "x""#, "`extended_key_usage` is missing");
    refused(r#""extended_key_usage": []"#, "`extended_key_usage` is a list");
    refused(r#""extended_key_usage": {"purposes": []}"#, "every purpose");
    refused(r#""extended_key_usage": {"purposes": ["anyExtendedKeyUsage"]}"#, "anyExtendedKeyUsage, which allows");
    refused(r#""extended_key_usage": {"purposes": ["2.5.29.37.0"]}"#, "anyExtendedKeyUsage, which allows");
    refused(r#""extended_key_usage": {"purposes": ["OCSPSigning"]}"#, "only the built-in ocsp-signing");
    refused(r#""extended_key_usage": {"purposes": ["timeStamping"]}"#, "RFC 3161");
    refused(r#""extended_key_usage": {"purposes": ["clientAuth", "clientAuth"]}"#, "clientAuth twice");
    refused(r#""extended_key_usage": {"purposes": ["1.02.3"]}"#, "a name of RFC 5280 or a number");
    refused(r#""extended_key_usage": {"purposes": ["serverAuth"]}"#, "a server's common name is one of its names");
    let server = r#""extended_key_usage": {"purposes": ["serverAuth"]}, "subject": {"common_name": "forbidden"}"#;
    refused(server, "at least one name");
}

#[test]
fn i2_a_clash_with_a_built_in_one_and_names_that_are_none_are_told() {
    let client = r#""extended_key_usage": {"purposes": ["clientAuth"]}"#;
    assert_eq!(flaws(&format!(r#"{{"name": "server", {client}}}"#)).len(), 1);
    assert!(flaws(&format!(r#"{{"name": "Über", {client}}}"#)).concat().contains("`name` is `Über`"));
    assert!(flaws(&format!(r#"{{"name": 7, {client}}}"#)).concat().contains("`name` is 7"));
    assert!(flaws(&format!("{{{client}}}")).concat().contains("`name` is missing"));
    for text in ["", "[]", "7", r#""name""#, "{", r#"{"name": "a"} x"#] {
        assert!(matches!(ProfileDefinition::from_json(text), Err(ProfileJsonError::Syntax(_))), "{text}");
    }
}

/// Rule L4: everything at once, whatever else is wrong.
#[test]
fn l4_i2_every_flaw_is_told_at_once() {
    let text = r#"{"name": "server", "ca": true, "shoe": 1, "key_usage": {"rsa": ["keyCertSign", "x"]},
        "extended_key_usage": {"purposes": ["anyExtendedKeyUsage"]}, "validity": {"default_days": 0}}"#;
    let told = flaws(text).join("\n");
    for part in ["built in", "`ca` is not", "`shoe`", "keyCertSign", "`x`", "anyExtendedKeyUsage", "default_days"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

proptest::proptest! {
    /// Whatever is fed in, it is read or told; and what is read is written and read again.
    #[test]
    fn g4_any_json_is_read_or_told(
        cut in 0_usize..900,
        with in "[\\[\\]{}\",:a-z0-9]{0,6}",
        at in 0_usize..900,
    ) {
        let mut text = serde_json::to_string(&ProfileDefinition {
            name: "own".parse().unwrap(),
            ..Profile::Mutual.definition().clone()
        })
        .unwrap();
        if text.is_char_boundary(at) && at <= text.len() {
            text.insert_str(at, &with);
        }
        text.truncate(text.len().saturating_sub(cut % 5));
        if let Ok(read) = ProfileDefinition::from_json(&text) {
            proptest::prop_assert!(read.flaws().is_empty());
            let again = ProfileDefinition::from_json(&serde_json::to_string(&read).unwrap());
            proptest::prop_assert_eq!(again.unwrap(), read);
        }
    }
}
