//! Verified bytes as JSON, with the names of a schema.
//!
//! It is the JSON that `flatc` writes with --strict-json and --defaults-json, and reads: a scalar that was left out is shown as its
//! default, because who reads JSON has no schema; what is optional and absent is left out. Numbers that JSON has not are texts.

use super::{Enum, Field, Number, Object, Scalar, Schema, Type};
use serde::ser::{Error, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::io::{self, Write};

/// The longest JSON that is made of one event: tables that are shared, or have many defaults, are longer as text than as bytes.
const JSON_BYTES_MAX: usize = 64 << 20;

/// The table `root` in `bytes`, which [`verify`](super::verify()) accepted.
///
/// # Errors
///
/// The JSON would be longer than 64 MiB; or the bytes are not what was verified.
pub(crate) fn json(
    schema: &Schema,
    root: usize,
    bytes: &[u8],
) -> serde_json::Result<Box<RawValue>> {
    let mut text = Bounded { bytes: Vec::new() };
    serde_json::to_writer(&mut text, &Buffer { schema, bytes }.root(root))?;
    RawValue::from_string(String::from_utf8(text.bytes).map_err(Error::custom)?)
}

/// A text that stops growing.
struct Bounded {
    bytes: Vec<u8>,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(more.len()) > JSON_BYTES_MAX {
            let why = "as JSON it is longer than 64 MiB";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A buffer. Reading checks its bounds again: bytes that slipped past the verifier give an error, and no panic.
#[derive(Clone, Copy)]
struct Buffer<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
}

/// What is to be shown.
enum Shown<'a> {
    /// A value whose bytes, or whose offset, is at this position.
    Value(Buffer<'a>, &'a Type, usize),
    /// A scalar or an enum that was left out.
    Default(Buffer<'a>, &'a Type, Number),
    /// A table at this position.
    Table(Buffer<'a>, usize, usize),
    /// A union whose type is at the first position, and its value's offset at the second.
    Member(Buffer<'a>, usize, usize, usize),
    /// A union's type.
    Tag(&'a Enum, u8),
    /// So many of one type, one after the other from this position on.
    Row(Buffer<'a>, &'a Type, usize, usize),
    /// Unions: where their types and their values begin, and how many there are.
    Members(Buffer<'a>, usize, usize, usize, usize),
    /// The types of so many unions.
    Tags(Buffer<'a>, &'a Enum, usize, usize),
    /// A buffer in the vector of bytes that the offset at this position leads to.
    Nested(Buffer<'a>, usize, usize),
    /// There is no root.
    Nothing,
}

const OUTSIDE: &str = "the bytes are not what was verified";

impl<'a> Buffer<'a> {
    fn root(self, table: usize) -> Shown<'a> {
        self.follow(0).map_or(Shown::Nothing, |at| Shown::Table(self, table, at))
    }

    fn read<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }

    fn follow(self, at: usize) -> Option<usize> {
        at.checked_add(usize::try_from(u32::from_le_bytes(self.read(at)?)).ok()?)
    }

    /// The first element and their count.
    fn vector(self, at: usize) -> Option<(usize, usize)> {
        let start = self.follow(at)?;
        let count = usize::try_from(u32::from_le_bytes(self.read(start)?)).ok()?;
        Some((start.checked_add(4)?, count))
    }

    fn string(self, at: usize) -> Option<&'a str> {
        let (first, count) = self.vector(at)?;
        std::str::from_utf8(self.bytes.get(first..first.checked_add(count)?)?).ok()
    }

    /// Where the field with this entry of the vtable is, in the table at `table`.
    fn field(self, table: usize, entry: u16) -> Option<usize> {
        let back = i64::from(i32::from_le_bytes(self.read(table)?));
        let vtable = i64::try_from(table).ok()?.checked_sub(back)?;
        let vtable = usize::try_from(vtable).ok()?;
        if entry >= u16::from_le_bytes(self.read(vtable)?) {
            return None;
        }
        let offset = u16::from_le_bytes(self.read(vtable.checked_add(usize::from(entry))?)?);
        if offset == 0 { None } else { table.checked_add(usize::from(offset)) }
    }

    fn number(self, scalar: Scalar, at: usize) -> Option<Number> {
        Some(match scalar {
            Scalar::Bool | Scalar::U8 => Number::Whole(u8::from_le_bytes(self.read(at)?).into()),
            Scalar::I8 => Number::Whole(i8::from_le_bytes(self.read(at)?).into()),
            Scalar::I16 => Number::Whole(i16::from_le_bytes(self.read(at)?).into()),
            Scalar::U16 => Number::Whole(u16::from_le_bytes(self.read(at)?).into()),
            Scalar::I32 => Number::Whole(i32::from_le_bytes(self.read(at)?).into()),
            Scalar::U32 => Number::Whole(u32::from_le_bytes(self.read(at)?).into()),
            Scalar::I64 | Scalar::U64 => Number::Whole(i64::from_le_bytes(self.read(at)?)),
            Scalar::F32 => Number::Real(f32::from_le_bytes(self.read(at)?).into()),
            Scalar::F64 => Number::Real(f64::from_le_bytes(self.read(at)?)),
        })
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let outside = || S::Error::custom(OUTSIDE);
        match *self {
            Shown::Nothing => Err(outside()),
            Shown::Table(buffer, index, at) => {
                let object = buffer.schema.objects.get(index).ok_or_else(outside)?;
                table(buffer, object, at, out)
            }
            Shown::Default(buffer, kind, number) => scalar(buffer.schema, kind, number, out),
            Shown::Tag(union, tag) => match union.member(tag) {
                Some(variant) => out.serialize_str(&variant.name),
                None => out.serialize_u8(tag),
            },
            Shown::Member(buffer, union, tag, value) => {
                let [tag] = buffer.read(tag).ok_or_else(outside)?;
                let union = buffer.schema.enums.get(union).ok_or_else(outside)?;
                let member = union.member(tag).and_then(|variant| variant.member.as_ref());
                match member {
                    Some(kind @ Type::Struct(_)) => {
                        let place = buffer.follow(value).ok_or_else(outside)?;
                        Shown::Value(buffer, kind, place).serialize(out)
                    }
                    Some(kind) => Shown::Value(buffer, kind, value).serialize(out),
                    // NONE, or a newer program's type.
                    None => out.serialize_none(),
                }
            }
            Shown::Row(buffer, item, first, count) => {
                let size = buffer.schema.layout(item).size;
                let mut items = out.serialize_seq(Some(count))?;
                for n in 0..count {
                    let at = n.saturating_mul(size).saturating_add(first);
                    items.serialize_element(&Shown::Value(buffer, item, at))?;
                }
                items.end()
            }
            Shown::Members(buffer, union, tags, values, count) => {
                let mut items = out.serialize_seq(Some(count))?;
                for n in 0..count {
                    let (tag, value) = (tags.saturating_add(n), values.saturating_add(n * 4));
                    items.serialize_element(&Shown::Member(buffer, union, tag, value))?;
                }
                items.end()
            }
            Shown::Tags(buffer, union, first, count) => {
                let tags = buffer.bytes.get(first..).and_then(|rest| rest.get(..count));
                let tags = tags.ok_or_else(outside)?;
                out.collect_seq(tags.iter().map(|&tag| Shown::Tag(union, tag)))
            }
            Shown::Nested(buffer, root, at) => {
                let (first, count) = buffer.vector(at).ok_or_else(outside)?;
                let bytes = buffer.bytes.get(first..).and_then(|rest| rest.get(..count));
                let bytes = bytes.ok_or_else(outside)?;
                Buffer { bytes, ..buffer }.root(root).serialize(out)
            }
            Shown::Value(buffer, kind, at) => value(buffer, kind, at, out),
        }
    }
}

fn value<S: Serializer>(
    buffer: Buffer<'_>,
    kind: &Type,
    at: usize,
    out: S,
) -> Result<S::Ok, S::Error> {
    let outside = || S::Error::custom(OUTSIDE);
    match kind {
        Type::Scalar(of) | Type::Enum(of, _) => {
            let number = buffer.number(*of, at).ok_or_else(outside)?;
            scalar(buffer.schema, kind, number, out)
        }
        Type::String => out.serialize_str(buffer.string(at).ok_or_else(outside)?),
        Type::Table(index) => {
            let at = buffer.follow(at).ok_or_else(outside)?;
            Shown::Table(buffer, *index, at).serialize(out)
        }
        Type::Vector(item) => {
            let (first, count) = buffer.vector(at).ok_or_else(outside)?;
            Shown::Row(buffer, item, first, count).serialize(out)
        }
        Type::Array(item, count) => Shown::Row(buffer, item, at, *count).serialize(out),
        Type::Struct(index) => {
            let object = buffer.schema.objects.get(*index).ok_or_else(outside)?;
            let mut map = out.serialize_map(Some(object.fields.len()))?;
            for field in &object.fields {
                let at = at.saturating_add(usize::from(field.offset));
                map.serialize_entry(&field.name, &Shown::Value(buffer, &field.kind, at))?;
            }
            map.end()
        }
        // Shown together with its type.
        Type::Union(_) => Err(outside()),
    }
}

fn table<S: Serializer>(
    buffer: Buffer<'_>,
    object: &Object,
    at: usize,
    out: S,
) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(None)?;
    for field in object.fields.iter().filter(|field| !field.deprecated) {
        let Some(place) = buffer.field(at, field.offset) else {
            if let Some(number) = field.default {
                let default = Shown::Default(buffer, &field.kind, number);
                map.serialize_entry(&field.name, &default)?;
            }
            continue;
        };
        if let Some(root) = field.nested {
            map.serialize_entry(&field.name, &Shown::Nested(buffer, root, place))?;
        } else if field.kind.has_tag() {
            union(buffer, field, at, place, &mut map)?;
        } else {
            map.serialize_entry(&field.name, &Shown::Value(buffer, &field.kind, place))?;
        }
    }
    map.end()
}

/// A union, or a vector of them, after its types.
fn union<M: SerializeMap>(
    buffer: Buffer<'_>,
    field: &Field,
    table: usize,
    value: usize,
    map: &mut M,
) -> Result<(), M::Error> {
    let outside = || M::Error::custom(OUTSIDE);
    let tag_name = format!("{}_type", field.name);
    let tag = buffer.field(table, field.offset.saturating_sub(2)).ok_or_else(outside)?;
    let index = match &field.kind {
        Type::Union(index) => *index,
        Type::Vector(item) => match **item {
            Type::Union(index) => index,
            _ => return Err(outside()),
        },
        _ => return Err(outside()),
    };
    let union = buffer.schema.enums.get(index).ok_or_else(outside)?;
    if let Type::Union(_) = field.kind {
        let [number] = buffer.read(tag).ok_or_else(outside)?;
        map.serialize_entry(&tag_name, &Shown::Tag(union, number))?;
        return map.serialize_entry(&field.name, &Shown::Member(buffer, index, tag, value));
    }
    let (tags, count) = buffer.vector(tag).ok_or_else(outside)?;
    let (values, _) = buffer.vector(value).ok_or_else(outside)?;
    map.serialize_entry(&tag_name, &Shown::Tags(buffer, union, tags, count))?;
    map.serialize_entry(&field.name, &Shown::Members(buffer, index, tags, values, count))
}

fn scalar<S: Serializer>(
    schema: &Schema,
    kind: &Type,
    number: Number,
    out: S,
) -> Result<S::Ok, S::Error> {
    let (of, named) = match kind {
        Type::Enum(of, index) => (*of, schema.enums.get(*index)),
        Type::Scalar(of) => (*of, None),
        _ => return Err(S::Error::custom(OUTSIDE)),
    };
    match number {
        Number::Real(real) => self::real(of, real, out),
        Number::Whole(bits) => match named.and_then(|named| named.name_of(bits)) {
            Some(name) => out.serialize_str(&name),
            None if of == Scalar::Bool => out.serialize_bool(bits != 0),
            None if of == Scalar::U64 => out.serialize_u64(bits.cast_unsigned()),
            None => out.serialize_i64(bits),
        },
    }
}

/// An f32 is shown with the digits that tell it from its neighbours, and no more.
fn real<S: Serializer>(of: Scalar, real: f64, out: S) -> Result<S::Ok, S::Error> {
    match real {
        real if real.is_nan() => out.serialize_str("nan"),
        f64::INFINITY => out.serialize_str("inf"),
        f64::NEG_INFINITY => out.serialize_str("-inf"),
        #[expect(clippy::cast_possible_truncation, reason = "it was widened from an f32")]
        real if of == Scalar::F32 => out.serialize_f32(real as f32),
        real => out.serialize_f64(real),
    }
}

impl Enum {
    /// The name of a value, or the names of the flags in it, if all of it has names.
    fn name_of(&self, bits: i64) -> Option<String> {
        if let Some(variant) = self.variants.iter().find(|variant| variant.value == bits) {
            return Some(variant.name.clone());
        }
        if !self.bit_flags {
            return None;
        }
        let set: Vec<_> = self.variants.iter().filter(|it| it.value & bits != 0).collect();
        let known = set.iter().fold(0, |known, variant| known | variant.value);
        let names: Vec<_> = set.iter().map(|variant| variant.name.as_str()).collect();
        (bits != 0 && known == bits).then(|| names.join(" "))
    }
}
