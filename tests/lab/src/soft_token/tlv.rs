//! BER-TLV, as far as PIV and DER need it: definite lengths, tags of up to three bytes.

/// One element: its tag, bytes as written, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    pub tag: u32,
    pub value: &'a [u8],
    /// The element as it stood in the input, tag and length included.
    pub whole: &'a [u8],
}

/// The first element and what follows it; `None` if the bytes aren't well-formed.
pub fn first(bytes: &[u8]) -> Option<(Tlv<'_>, &[u8])> {
    let (tag, after_tag) = split_tag(bytes)?;
    let (length, body) = split_length(after_tag)?;
    let (value, rest) = body.split_at_checked(length)?;
    let whole = &bytes[..bytes.len() - rest.len()];
    Some((Tlv { tag, value, whole }, rest))
}

/// All elements; `None` if the bytes aren't well-formed up to their end.
pub fn list(mut bytes: &[u8]) -> Option<Vec<Tlv<'_>>> {
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        let (element, rest) = first(bytes)?;
        elements.push(element);
        bytes = rest;
    }
    Some(elements)
}

/// What the only element holds, if it has this tag and nothing follows.
pub fn only(bytes: &[u8], tag: u32) -> Option<&[u8]> {
    match first(bytes)? {
        (element, []) if element.tag == tag => Some(element.value),
        _ => None,
    }
}

/// The value of the first element with this tag among `elements`.
pub fn find<'a>(elements: &[Tlv<'a>], tag: u32) -> Option<&'a [u8]> {
    elements
        .iter()
        .find(|element| element.tag == tag)
        .map(|element| element.value)
}

/// Tag, length, value.
pub fn encode(tag: u32, value: &[u8]) -> Vec<u8> {
    let tag = tag.to_be_bytes();
    let leading_zeros = tag.iter().take(3).take_while(|byte| **byte == 0).count();
    let mut out = tag[leading_zeros..].to_vec();
    match value.len() {
        length @ 0..=0x7f => out.push(length as u8),
        length @ 0x80..=0xff => out.extend([0x81, length as u8]),
        length => {
            let length = u16::try_from(length).expect("nothing on a card is longer than 64 KiB");
            out.push(0x82);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend_from_slice(value);
    out
}

/// ISO 7816-4:2005, 5.2.2.1: low five bits all set mean that further tag bytes follow, each but the last with bit 8.
fn split_tag(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (&lead, mut rest) = bytes.split_first()?;
    let mut tag = u32::from(lead);
    if lead & 0x1f == 0x1f {
        for _ in 0..2 {
            let (&next, after) = rest.split_first()?;
            tag = tag << 8 | u32::from(next);
            rest = after;
            if next & 0x80 == 0 {
                return Some((tag, rest));
            }
        }
        return None;
    }
    Some((tag, rest))
}

/// ISO 7816-4:2005, 5.2.2.2: below `80` the length itself, else the number of length bytes.
fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [length @ 0..=0x7f, rest @ ..] => Some((usize::from(*length), rest)),
        [0x81, length, rest @ ..] => Some((usize::from(*length), rest)),
        [0x82, high, low, rest @ ..] => Some((usize::from(u16::from_be_bytes([*high, *low])), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_back() {
        for tag in [0x53, 0x7f49, 0x5fff01] {
            for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 3000] {
                let value = vec![7; length];
                assert_eq!(
                    only(&encode(tag, &value), tag),
                    Some(&value[..]),
                    "tag {tag:x}, {length} bytes"
                );
            }
        }
    }

    #[test]
    fn lists_keep_their_order_and_their_bytes() {
        let bytes = [0xaa, 1, 2, 0xab, 0];
        let elements = list(&bytes).expect("well-formed");
        assert_eq!(elements.iter().map(|tlv| tlv.tag).collect::<Vec<_>>(), [0xaa, 0xab]);
        assert_eq!(elements[0].whole, &bytes[..3]);
        assert_eq!(find(&elements, 0xaa), Some(&[2][..]));
        assert_eq!(find(&elements, 0x80), None);
    }

    #[test]
    fn malformed_bytes_are_none_and_never_a_panic() {
        for bytes in [
            &[0x53][..],
            &[0x53, 2, 1],
            &[0x53, 0x80],
            &[0x53, 0x82, 1],
            &[0x53, 0x83, 0, 0, 1, 1],
            &[0x7f],
        ] {
            assert_eq!(list(bytes), None, "{bytes:02x?}");
        }
        assert_eq!(only(&[0x53, 0, 0], 0x53), None, "something follows");
    }
}
