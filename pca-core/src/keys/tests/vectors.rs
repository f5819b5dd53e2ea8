//! Known answers: RFC 8032 section 7.1, RFC 6979 appendix A.2.

use zeroize::Zeroizing;

use super::hex;
use crate::keys::encoding::{Material, tlv};
use crate::keys::software::backends;
use crate::keys::{KeyKind, PrivateKey, SignatureAlgorithm};

#[test]
fn ed25519_signs_as_rfc_8032_says() {
    for (seed, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        for backend in backends() {
            let material = Material::Ed25519 { seed: Zeroizing::new(hex(seed)), public: None };
            let key = PrivateKey::from_material(*backend, &material).unwrap();
            assert_eq!(key.public_key().raw(), hex(public), "{}", backend.name());
            let made = backend.signer(&key).unwrap().sign(SignatureAlgorithm::Ed25519, &hex(message)).unwrap();
            assert_eq!(made, hex(signature), "{}", backend.name());
        }
    }
}

#[test]
fn ecdsa_in_pure_rust_is_deterministic_and_every_back_end_verifies_it() {
    for (kind, scalar, r, s) in [
        (
            KeyKind::P256,
            "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            KeyKind::P384,
            "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
            "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
        ),
        (
            KeyKind::P521,
            "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
            "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
            "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A",
        ),
    ] {
        let expected = tlv(0x30, &[&integer(&hex(r)), &integer(&hex(s))]);
        for backend in backends() {
            let material = Material::Elliptic { kind, scalar: Zeroizing::new(hex(scalar)), public: None };
            let key = PrivateKey::from_material(*backend, &material).unwrap();
            let how = kind.signature_algorithm();
            assert_eq!(backend.verify(key.public_key(), how, b"sample", &expected), Ok(()), "{}", backend.name());
            if backend.name() == "rustcrypto" {
                assert_eq!(backend.signer(&key).unwrap().sign(how, b"sample").unwrap(), *expected, "{kind}");
            }
        }
    }
}

fn integer(number: &[u8]) -> Vec<u8> {
    let significant: Vec<u8> = number.iter().copied().skip_while(|octet| *octet == 0).collect();
    let sign: &[u8] = if significant[0] >= 0x80 { &[0] } else { &[] };
    tlv(0x02, &[sign, &significant]).to_vec()
}
