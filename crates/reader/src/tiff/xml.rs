//! A tolerant scan of the XML that TIFF tags hold: elements with their attributes, and the text that follows.
//!
//! It checks nothing: what does not look like an element is passed over, so that metadata never stops an image.

/// An opening tag.
pub(super) struct Element<'a> {
    /// Its name without a namespace prefix.
    pub(super) name: &'a str,
    attributes: &'a str,
    rest: &'a str,
}

impl Element<'_> {
    /// An attribute's value, with entities resolved.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let mut rest = self.attributes;
        while let Some(equals) = rest.find('=') {
            let key = rest[..equals].trim();
            let value = rest[equals + 1..].trim_start();
            let quote = value.chars().next().filter(|&q| q == '"' || q == '\'')?;
            let end = value[1..].find(quote)?;
            if key == name {
                return Some(unescape(&value[1..1 + end]));
            }
            rest = &value[end + 2..];
        }
        None
    }

    /// An attribute that is a number from 0.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.attribute(name)?.trim().parse().ok()
    }

    /// The text up to the next tag, with entities resolved.
    pub(super) fn text(&self) -> String {
        unescape(self.rest.split('<').next().unwrap_or_default()).trim().to_owned()
    }
}

/// The opening tags of a document, in order.
pub(super) fn elements(xml: &str) -> impl Iterator<Item = Element<'_>> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('<')? + 1..];
            if let Some(comment) = rest.strip_prefix("!--") {
                rest = &comment[comment.find("-->")? + 3..];
                continue;
            }
            let end = end_of_tag(rest)?;
            let tag = rest[..end].trim_end_matches('/');
            let after = &rest[end + 1..];
            rest = after;
            if tag.starts_with(['/', '!', '?']) {
                continue;
            }
            let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
            let name = name.rsplit(':').next().unwrap_or(name);
            return Some(Element { name, attributes, rest: after });
        }
    })
}

/// Where the tag's `>` is, outside quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    text.bytes().position(|b| match (quote, b) {
        (None, b'>') => true,
        (None, b'"' | b'\'') => {
            quote = Some(b);
            false
        }
        (Some(q), b) if q == b => {
            quote = None;
            false
        }
        _ => false,
    })
}

fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|b| b == b';');
        let resolved = end.and_then(|end| match &rest[1..end] {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            code => {
                let code = code.strip_prefix('#')?;
                let hex = code.strip_prefix(['x', 'X']).map(|h| u32::from_str_radix(h, 16));
                hex.unwrap_or_else(|| code.parse()).ok().and_then(char::from_u32)
            }
        });
        match (resolved, end) {
            (Some(c), Some(end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            _ => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_give_attributes_and_text() {
        let xml = "<?xml version='1.0'?><!-- <no a='1'/> --><o:A x = \"1 > 0\" y='&lt;&#181;&#x41;&bogus'/><B>t &amp; u</B>";
        let all: Vec<_> = elements(xml).collect();
        assert_eq!(all.iter().map(|e| e.name).collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(all[0].attribute("x").unwrap(), "1 > 0");
        assert_eq!(all[0].attribute("y").unwrap(), "<µA&bogus");
        assert_eq!(all[0].attribute("z"), None);
        assert_eq!(all[1].text(), "t & u");
    }

    #[test]
    fn rubbish_ends_quietly() {
        for xml in ["<", "<a", "<a b=", "<a b='", "a & b", "<!--", "<a b=é>", "<é &", "<a 'é"] {
            assert!(elements(xml).filter_map(|e| e.attribute("b").or(Some(e.text()))).count() < 2);
        }
        assert_eq!(unescape("&é;&#xD800;&"), "&é;&#xD800;&");
    }
}
