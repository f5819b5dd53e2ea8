//! Text of names as it is compared (RFC 5280 section 7.1, RFC 4518): not as it is written.

use unicode_normalization::UnicodeNormalization as _;

/// What two texts have in common if they are the same in a name: without case, in one form of Unicode (NFKC), without
/// outer and repeated spaces and without what nobody sees.
///
/// Case is left by way of the upper case, which tells less apart than the lower case does: a final sigma is a sigma, and a
/// sharp s is two s. So two names are found the same rather too often than not often enough.
pub(super) fn folded(text: &str) -> String {
    let seen = text.chars().filter(|character| !is_ignored(*character));
    let folded: String = if text.is_ascii() {
        seen.flat_map(lower).collect()
    } else {
        // Letters are taken apart first, because a letter's case may be that of a mark that belongs to it; what lowering
        // leaves may be in no normal form, and normalizing may leave what has a case: the second turn ends it.
        let once: String = seen.nfkd().flat_map(lower).nfkc().collect();
        once.chars().flat_map(lower).nfkc().collect()
    };
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lower(character: char) -> impl Iterator<Item = char> {
    character.to_uppercase().flat_map(char::to_lowercase)
}

/// What is mapped to nothing (RFC 4518 section 2.2): controls, and what is not seen.
fn is_ignored(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{6dd}' | '\u{70f}'
            | '\u{1806}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}'
    ) || (character.is_control() && !character.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn c4_what_reads_the_same_is_the_same() {
        for (one, other) in [
            // Composed and decomposed.
            ("Zürich", "Zu\u{308}rich"),
            ("Å", "\u{212b}"),
            ("가", "\u{1100}\u{1161}"),
            // Marks in another order.
            ("a\u{323}\u{307}", "a\u{307}\u{323}"),
            // Compatible: full width, ligatures, circled, superscript.
            ("ＡＣＭＥ", "acme"),
            ("Oﬃce", "office"),
            ("①", "1"),
            ("H₂O", "h2o"),
            // Case, also where one letter becomes two or stands at the end.
            ("STRASSE", "straße"),
            ("ΟΔΟΣ", "οδος"),
            ("ΟΔΟΣ", "οδοσ"),
            ("ℌ", "h"),
            // Spaces of every kind, and what is not seen.
            ("a\u{a0}\u{3000} b ", "A B"),
            ("Ac\u{ad}me\u{200b}", "acme"),
            ("Ac\u{7}me", "acme"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        for (one, other) in [("Zürich", "Zurich"), ("Acme", "Асме"), ("a b", "ab"), ("株式会社", "有限会社")]
        {
            assert_ne!(folded(one), folded(other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn c4_folding_is_done_once_and_knows_no_form(text in "\\PC{0,20}") {
            let once = folded(&text);
            prop_assert_eq!(&folded(&once), &once);
            prop_assert_eq!(&folded(&text.nfd().collect::<String>()), &once);
            prop_assert_eq!(&folded(&text.nfkc().collect::<String>()), &once);
        }

        #[test]
        fn c4_case_is_folded_in_every_script(text in "[A-Za-zÀ-ʯΆ-ώЀ-ӿԱ-և ]{0,20}") {
            prop_assert_eq!(folded(&text.to_uppercase()), folded(&text));
            prop_assert_eq!(folded(&text.to_lowercase()), folded(&text));
        }

        /// Logs keep digests of folded names: what ASCII folds to is fixed.
        #[test]
        fn c4_ascii_folds_to_lower_case_and_single_spaces(text in "[ -~\t\n]{0,40}") {
            let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
            prop_assert_eq!(folded(&text), words.join(" "));
        }
    }
}
