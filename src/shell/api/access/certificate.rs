//! The names in a certificate: common names of the subject, and DNS names (RFC 5280, sections 4.1
//! and 4.2.1.6).
//!
//! In: DER that TLS has verified. Out: names as text. It checks nothing: what does not parse, or is
//! not UTF-8, gives no name.

/// Names, the common name first; empty when there are none.
#[must_use]
pub fn names(der: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    // What was read before a mistake is dropped with it: half a certificate names nobody.
    if read(der, &mut names).is_none() {
        names.clear();
    }
    names
}

fn read(der: &[u8], names: &mut Vec<String>) -> Option<()> {
    let mut certificate = Reader(Reader(der).expect(SEQUENCE)?);
    let mut body = Reader(certificate.expect(SEQUENCE)?);
    body.skip_if(VERSION)?;
    body.expect(INTEGER)?;
    body.expect(SEQUENCE)?; // signature algorithm
    body.expect(SEQUENCE)?; // issuer
    body.expect(SEQUENCE)?; // validity
    let mut subject = Reader(body.expect(SEQUENCE)?);
    while !subject.is_empty() {
        let mut set = Reader(subject.expect(SET)?);
        while !set.is_empty() {
            let mut attribute = Reader(set.expect(SEQUENCE)?);
            let kind = attribute.expect(OBJECT_IDENTIFIER)?;
            let (_, value) = attribute.next()?;
            if kind == COMMON_NAME {
                add(value, names);
            }
        }
    }
    while let Some((tag, content)) = body.next() {
        if tag == EXTENSIONS {
            read_extensions(Reader(Reader(content).expect(SEQUENCE)?), names)?;
        }
    }
    Some(())
}

fn read_extensions(mut extensions: Reader<'_>, names: &mut Vec<String>) -> Option<()> {
    while !extensions.is_empty() {
        let mut extension = Reader(extensions.expect(SEQUENCE)?);
        if extension.expect(OBJECT_IDENTIFIER)? != SUBJECT_ALTERNATIVE_NAME {
            continue;
        }
        extension.skip_if(BOOLEAN)?;
        let mut alternatives = Reader(Reader(extension.expect(OCTET_STRING)?).expect(SEQUENCE)?);
        while !alternatives.is_empty() {
            let (tag, content) = alternatives.next()?;
            if tag == DNS_NAME {
                add(content, names);
            }
        }
    }
    Some(())
}

fn add(value: &[u8], names: &mut Vec<String>) {
    if let Ok(name) = std::str::from_utf8(value)
        && !name.is_empty()
        && !name.contains(char::is_control)
        && !names.iter().any(|known| known == name)
        && names.len() < NAMES_MAX
    {
        names.push(name.to_owned());
    }
}

/// DER elements one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tag and content of the next element, in the forms that certificates use: tags of one octet,
    /// lengths up to four.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let octets = usize::from(first & 0x7f);
            if octets == 0 || octets > 4 {
                return None;
            }
            let (digits, after) = rest.split_at_checked(octets)?;
            length = digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == wanted).map(|(_, content)| content)
    }

    fn skip_if(&mut self, tag: u8) -> Option<()> {
        if self.0.first() == Some(&tag) {
            self.next()?;
        }
        Some(())
    }
}

/// Names kept of a certificate; those beyond are not looked at.
const NAMES_MAX: usize = 64;
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0]`, explicit.
const VERSION: u8 = 0xa0;
/// `[3]`, explicit.
const EXTENSIONS: u8 = 0xa3;
/// `[2]` of GeneralName.
const DNS_NAME: u8 = 0x82;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
