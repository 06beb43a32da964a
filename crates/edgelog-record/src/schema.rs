//! The schema of a type, as `flatc` reads it.

use crate::field::Need;
use crate::table::Table;
use core::fmt;

/// A table with all that it is made of. It shows as the text of a `.fbs` file.
///
/// Every field is written with its id, so that the order of the lines means nothing.
#[derive(Clone, Copy, Debug)]
pub struct Schema(&'static Declaration);

/// What a schema calls the type of a value.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Type {
    /// A scalar, by FlatBuffers' name.
    Scalar(&'static str),
    /// A string.
    Text,
    /// A vector.
    Vector(&'static Self),
    /// A vector of bytes that begins at a multiple of 8.
    Nested,
    /// A table or a struct.
    Named(&'static Declaration),
}

/// A table or a struct.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the macros make it in other crates")]
pub struct Declaration {
    /// Which of the two it is.
    pub kind: Kind,
    /// Names with points between.
    pub namespace: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// Its comment, line by line.
    pub docs: &'static [&'static str],
    /// The identifier of a buffer whose root it is.
    pub identifier: Option<&'static str>,
    /// Its fields, by their ids.
    pub members: &'static [Member],
}

/// What a declaration declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "FlatBuffers has no third that has fields")]
pub enum Kind {
    /// A table, which can be extended.
    Table,
    /// A struct, which cannot.
    Struct,
}

/// A field.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the macros make it in other crates")]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// Its comment, line by line.
    pub docs: &'static [&'static str],
    /// What it holds.
    pub field_type: &'static Type,
    /// When it is stored.
    pub need: Need,
    /// Its default, empty for the usual one.
    pub default: &'static str,
}

impl Schema {
    /// The schema whose root is `T`.
    #[must_use]
    pub fn of<'a, T: Table<'a>>() -> Self {
        Self(T::DECLARATION)
    }

    /// The [`fingerprint`] of the `.fbs` file that it shows as.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Hash(fingerprint(""));
        // A hash takes every text.
        let _ = fmt::write(&mut hash, format_args!("{self}"));
        hash.0
    }

    /// What it says of the root.
    #[must_use]
    pub const fn root(&self) -> &'static Declaration {
        self.0
    }
}

/// The fingerprint of a schema: the 64-bit FNV-1a hash of the bytes of its `.fbs` file. It tells texts apart that somebody wrote, not texts
/// that somebody forged.
#[must_use]
pub const fn fingerprint(fbs: &str) -> u64 {
    hash(0xCBF2_9CE4_8422_2325, fbs.as_bytes())
}

/// FNV-1a over `bytes`, continued.
const fn hash(mut hash: u64, mut bytes: &[u8]) -> u64 {
    while let [first, rest @ ..] = bytes {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01B3);
        bytes = rest;
    }
    hash
}

/// Takes text into a hash instead of keeping it.
struct Hash(u64);

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = hash(self.0, text.as_bytes());
        Ok(())
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.0;
        let (mut place, mut namespace) = (0, "");
        root.each(&mut |part| {
            place += 1;
            if root.first(part) != Some(place) {
                // What is used twice is declared once.
                return Ok(());
            }
            if part.namespace != namespace {
                namespace = part.namespace;
                writeln!(f, "namespace {namespace};\n")?;
            }
            part.show(f)
        })?;
        write!(f, "root_type {}.{};", root.namespace, root.name)?;
        match root.identifier {
            Some(identifier) => writeln!(f, "\nfile_identifier \"{identifier}\";"),
            None => writeln!(f),
        }
    }
}

impl Declaration {
    /// Visits what it is made of, and then itself: what is used twice, twice.
    fn each(&'static self, visit: &mut dyn FnMut(&'static Self) -> fmt::Result) -> fmt::Result {
        let mut parts = self.members.iter().filter_map(|member| member.field_type.declaration());
        parts.try_for_each(|part| part.each(visit))?;
        visit(self)
    }

    /// Which of the visits is the first of `part`, counted from 1.
    fn first(&'static self, part: &Self) -> Option<usize> {
        let (mut place, mut first) = (0, None);
        let visited = self.each(&mut |other| {
            place += 1;
            if first.is_none() && other.is(part) {
                first = Some(place);
            }
            Ok(())
        });
        visited.ok().and(first)
    }

    fn is(&self, other: &Self) -> bool {
        (self.namespace, self.name) == (other.namespace, other.name)
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, docs, members, .. } = self;
        show_docs(docs, "", f)?;
        let kind_name = if *kind == Kind::Table { "table" } else { "struct" };
        writeln!(f, "{kind_name} {name} {{")?;
        for (id, member) in members.iter().enumerate() {
            member.show(*kind, id, f)?;
        }
        writeln!(f, "}}\n")
    }
}

impl Member {
    fn show(&self, kind: Kind, id: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, docs, field_type, need, default } = self;
        show_docs(docs, "  ", f)?;
        write!(f, "  {}:{field_type}", name.trim_start_matches("r#"))?;
        if kind == Kind::Struct {
            return writeln!(f, ";");
        }
        match (need, field_type) {
            (Need::Optional, Type::Scalar(_)) => f.write_str(" = null"),
            _ if default.is_empty() => Ok(()),
            _ => write!(f, " = {default}"),
        }?;
        write!(f, " (id: {id}")?;
        if matches!(field_type, Type::Nested) {
            f.write_str(", force_align: 8")?;
        }
        match need {
            Need::Always => f.write_str(", required"),
            Need::Deprecated => f.write_str(", deprecated"),
            Need::Default | Need::Optional => Ok(()),
        }?;
        writeln!(f, ");")
    }
}

impl Type {
    const fn declaration(&self) -> Option<&'static Declaration> {
        match *self {
            Self::Named(declaration) => Some(declaration),
            Self::Vector(inner) => inner.declaration(),
            Self::Scalar(_) | Self::Text | Self::Nested => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(name) => f.write_str(name),
            Self::Text => f.write_str("string"),
            Self::Vector(inner) => write!(f, "[{inner}]"),
            Self::Nested => f.write_str("[ubyte]"),
            Self::Named(of) => write!(f, "{}.{}", of.namespace, of.name),
        }
    }
}

fn show_docs(docs: &[&str], indent: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // A comment in `/** */` comes as one with line breaks in it.
    let mut lines = docs.iter().flat_map(|doc| doc.split('\n'));
    lines.try_for_each(|line| writeln!(f, "{indent}///{line}"))
}
