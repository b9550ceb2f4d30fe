//! Which file a profile's entry lies in: percent-encoded, readable, safe on every file system, and never two profiles in one.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The longest encoded name that is used as it is. In bytes; file systems allow 255.
const LONGEST: usize = 120;

/// The beginning of a too long name that is kept, for people who look into the folder. In bytes.
const PREFIX: usize = 40;

/// The file name, without its ending, for `profile`.
///
/// Lower-case letters, digits, `-`, `_` and inner dots stay; every other byte becomes `%XX`. Capitals are encoded too,
/// since `Prod` and `prod` are two profiles and some file systems can't tell them apart. A result of more than 120 bytes
/// becomes its first 40 or so, `~`, and the SHA-256 of the profile in hex.
pub fn file_stem(profile: &str) -> String {
    let mut encoded = String::with_capacity(profile.len());
    for (position, byte) in profile.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(byte as char),
            b'.' if position > 0 => encoded.push('.'),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    if encoded.len() <= LONGEST {
        return encoded;
    }
    let mut cut = PREFIX;
    // Never through the middle of a %XX.
    while encoded[..cut].rfind('%').is_some_and(|percent| percent + 3 > cut) {
        cut -= 1;
    }
    format!("{}~{}", &encoded[..cut], hex(&Sha256::digest(profile)))
}

/// The profile that a file stem stands for, as far as the stem tells: a shortened one comes back as it is.
pub fn from_stem(stem: &str) -> String {
    let mut bytes = Vec::with_capacity(stem.len());
    let mut rest = stem.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let decoded = (*byte == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match decoded {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ordinary_names_stay_readable() {
        assert_eq!(file_stem("prod-eu_1.2"), "prod-eu_1.2");
    }

    #[test]
    fn hostile_names_stay_in_the_folder_and_apart() {
        let long = "x".repeat(1000);
        let longer = format!("{long}y");
        let names = [
            "..",
            ".",
            "/",
            "../../etc/passwd",
            "a b",
            "ä",
            ".hidden",
            "%41",
            "A",
            "a",
            "prod",
            "Prod",
            &long,
            &longer,
        ];
        let stems: HashSet<String> = names.iter().map(|name| file_stem(name)).collect();
        assert_eq!(stems.len(), names.len());
        for stem in &stems {
            assert!(
                !stem.contains('/') && !stem.starts_with('.') && !stem.is_empty() && stem.len() <= LONGEST,
                "{stem}"
            );
        }
    }

    #[test]
    fn a_name_is_read_back_from_its_stem() {
        for name in ["prod", "Prod EU/1", "ä%", "100%"] {
            assert_eq!(from_stem(&file_stem(name)), name);
        }
    }

    #[test]
    fn a_cut_never_splits_an_encoded_byte() {
        let stem = file_stem(&"ä".repeat(100));
        let prefix = stem.split('~').next().expect("a prefix");
        assert_eq!(prefix.len() % 3, 0);
    }
}
