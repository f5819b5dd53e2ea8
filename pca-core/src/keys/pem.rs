//! PEM (RFC 7468), as lenient in reading as what lies on people's disks asks for, and strict in writing.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::import::{ImportError, MAX_PEM_BLOCKS};

/// One block of a PEM file.
pub(super) struct Block {
    /// The words after `BEGIN`.
    pub(super) label: String,
    /// Whether it has headers of RFC 1421 that say that it is encrypted.
    pub(super) encrypted_legacy: bool,
    /// What it holds; nothing if it is no base 64.
    pub(super) octets: Option<Zeroizing<Vec<u8>>>,
}

/// The complete blocks of a text; what stands outside of blocks is comment.
pub(super) fn read(text: &str) -> Result<Vec<Block>, ImportError> {
    // Editors on Windows put a byte order mark before the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    read_through(text, &mut Zeroizing::new(String::with_capacity(text.len())))
}

/// Reads with one buffer for the bodies of all blocks. It is wiped once, at the end of the reading, and has room for the
/// longest body, so that none of them is left behind where it grew out of its place: a buffer of the text's size for each
/// block would make the work the square of what is read (rule G4).
fn read_through(text: &str, body: &mut String) -> Result<Vec<Block>, ImportError> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(label) = boundary(line, "-----BEGIN ") else { continue };
        if blocks.len() == MAX_PEM_BLOCKS {
            return Err(ImportError::TooManyBlocks);
        }
        body.clear();
        let mut encrypted_legacy = false;
        for line in lines.by_ref() {
            if boundary(line, "-----END ") == Some(label) {
                blocks.push(Block { label: label.to_owned(), encrypted_legacy, octets: decode(body) });
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
    Ok(blocks)
}

/// What a body stands for. A body that is no base 64 from some place on leaves nothing of what comes before, either.
fn decode(body: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(vec![0; body.len() / 4 * 3 + 3]);
    let len = Base64::decode(body, &mut octets).ok()?.len();
    octets.truncate(len);
    Some(octets)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn g4_one_buffer_serves_every_block() {
        let one = write("CERTIFICATE", &[7; 500]);
        let text = one.repeat(MAX_PEM_BLOCKS);
        let mut body = String::with_capacity(one.len());
        let place = body.as_ptr();
        let blocks = read_through(&text, &mut body).unwrap();
        assert_eq!(blocks.len(), MAX_PEM_BLOCKS);
        assert_eq!(body, Base64::encode_string(&[7; 500]), "the last body was read here");
        assert_eq!(body.as_ptr(), place, "it stays where it is: nothing of a key is left elsewhere");
        for block in blocks {
            let octets = block.octets.unwrap();
            assert_eq!(*octets, [7; 500]);
            assert!(octets.capacity() < one.len(), "memory is for the block, not for the text");
        }
    }
}
