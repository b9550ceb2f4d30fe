//! Tag, length, value: the one notation that PIV templates (ISO 7816-4, 5.2.2) and certificates (X.690) share.
//!
//! Reading never panics and never looks past the bytes it was given; what the tags mean is left to the caller.

use super::{Error, Result};

/// One element.
#[derive(Clone, Copy)]
pub(super) struct Tlv<'a> {
    /// The tag's bytes as a number, such as 0x53 or 0x7f49.
    pub tag: u32,
    /// The value.
    pub value: &'a [u8],
    /// Tag, length and value: what a signature covers.
    pub whole: &'a [u8],
}

/// Reads elements one after the other.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; errors say that `what` is malformed.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// The next element, or `None` at the end.
    pub fn next(&mut self) -> Result<Option<Tlv<'a>>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let start = self.rest;
        let tag = self.tag()?;
        let length = self.length()?;
        let value = self.take(length)?;
        let whole = &start[..start.len() - self.rest.len()];
        Ok(Some(Tlv { tag, value, whole }))
    }

    /// The next element, which has to be `tag`.
    pub fn expect(&mut self, tag: u32) -> Result<Tlv<'a>> {
        match self.next()? {
            Some(tlv) if tlv.tag == tag => Ok(tlv),
            _ => Err(self.malformed()),
        }
    }

    /// The first element from here on with this tag, skipping others.
    pub fn find(&mut self, tag: u32) -> Result<Option<Tlv<'a>>> {
        while let Some(tlv) = self.next()? {
            if tlv.tag == tag {
                return Ok(Some(tlv));
            }
        }
        Ok(None)
    }

    /// The error of this reader.
    pub fn malformed(&self) -> Error {
        Error::Malformed { what: self.what }
    }

    fn tag(&mut self) -> Result<u32> {
        let first = self.byte()?;
        let mut tag = u32::from(first);
        // ISO 7816-4, 5.2.2.1: five low bits set announce more tag bytes, each but the last with its top bit set.
        if first & 0x1f == 0x1f {
            loop {
                let byte = self.byte()?;
                if tag > 0xffff {
                    return Err(self.malformed());
                }
                tag = tag << 8 | u32::from(byte);
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        Ok(tag)
    }

    fn length(&mut self) -> Result<usize> {
        // ISO 7816-4, 5.2.2.2. Three length bytes are 16 MB, more than any card has.
        match self.byte()? {
            short @ 0..=0x7f => Ok(usize::from(short)),
            long @ 0x81..=0x83 => {
                let mut length = 0;
                for _ in 0..long & 0x7f {
                    length = length << 8 | usize::from(self.byte()?);
                }
                Ok(length)
            }
            _ => Err(self.malformed()),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(taken)
    }
}

/// `tag`, the length of `value`, `value`; in DER's shortest form.
pub(super) fn write(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match value.len() {
        short @ 0..=0x7f => out.push(short as u8),
        length => {
            let bytes = length.to_be_bytes();
            let skip = length.leading_zeros() as usize / 8;
            out.push(0x80 | (bytes.len() - skip) as u8);
            out.extend_from_slice(&bytes[skip..]);
        }
    }
    out.extend_from_slice(value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, usize)>> {
        let mut reader = Reader::new(bytes, "a test");
        let mut all = Vec::new();
        while let Some(tlv) = reader.next()? {
            all.push((tlv.tag, tlv.value.len()));
        }
        Ok(all)
    }

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000] {
            let bytes = write(0x53, &vec![7; length]);
            assert_eq!(read(&bytes), Ok(vec![(0x53, length)]));
        }
    }

    #[test]
    fn long_tags_are_one_number() {
        assert_eq!(read(&[0x7f, 0x49, 1, 9, 0x86, 0]), Ok(vec![(0x7f49, 1), (0x86, 0)]));
    }

    #[test]
    fn every_cut_of_an_answer_is_an_error_and_no_panic() {
        let whole = [write(0x7c, &write(0x82, &[1; 200])), write(4, b"x")].concat();
        for cut in 1..whole.len() {
            let result = read(&whole[..cut]);
            assert!(result.is_err() || cut == 206, "{cut}");
        }
        for odd in [&[0x1f, 0xff, 0xff, 0xff, 0xff][..], &[4, 0x84, 1, 1, 1, 1], &[4, 0x80]] {
            assert!(read(odd).is_err());
        }
    }
}
