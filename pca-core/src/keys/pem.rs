//! PEM (RFC 7468), as lenient in reading as what lies on people's disks asks for, and strict in writing.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

/// One block of a PEM file.
pub(super) struct Block {
    /// The words after `BEGIN`.
    pub(super) label: String,
    /// Whether it has headers of RFC 1421 that say that it is encrypted.
    pub(super) encrypted_legacy: bool,
    /// What it holds; nothing if it is no base 64.
    pub(super) octets: Option<Zeroizing<Vec<u8>>>,
}

/// The most blocks that are looked at; each costs the wiping of as much memory as the text has (rule G4).
const MAX_BLOCKS: usize = 64;

/// The complete blocks of a text, at most 64; what stands outside of blocks is comment.
pub(super) fn read(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while blocks.len() < MAX_BLOCKS
        && let Some(line) = lines.next()
    {
        let Some(label) = boundary(line, "-----BEGIN ") else { continue };
        let mut body = Zeroizing::new(String::with_capacity(text.len()));
        let mut encrypted_legacy = false;
        for line in lines.by_ref() {
            if boundary(line, "-----END ") == Some(label) {
                let octets = Base64::decode_vec(&body).ok().map(Zeroizing::new);
                blocks.push(Block { label: label.to_owned(), encrypted_legacy, octets });
                break;
            }
            match line.split_once(':') {
                Some((name, value)) => {
                    encrypted_legacy |= name.trim() == "Proc-Type" && value.contains("ENCRYPTED");
                }
                None => line.split_whitespace().for_each(|part| body.push_str(part)),
            }
        }
    }
    blocks
}

/// One block, in lines of 64 characters.
pub(super) fn write(label: &str, octets: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(octets.len() * 3 / 2 + 2 * label.len() + 80));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    for line in octets.chunks(48) {
        text.push_str(&Zeroizing::new(Base64::encode_string(line)));
        text.push('\n');
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

fn boundary<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.trim().strip_prefix(start)?.strip_suffix("-----")
}
