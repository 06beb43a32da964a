//! Whether bytes are what a schema says, by the checks of the official verifier.
//!
//! The official library's own walk over a schema that is known at run time panics on damaged unions and knows no vectors of them. So
//! the walk is here, and every position is judged by the primitives of [`Verifier`], which also bound depth and work.

use super::{Field, Layout, Schema, Type};
use flatbuffers::{InvalidFlatbuffer, TableVerifier, Verifiable, Verifier, VerifierOptions};

/// How deep tables may lie in tables; as in the official libraries.
const DEPTH_MAX: usize = 64;
/// How deep buffers may lie in buffers.
const NESTING_MAX: usize = 8;
/// How often each byte may be looked at: events share vtables, and may share what they lead to.
const LOOKS_PER_BYTE: usize = 1024;
/// Looks that every event has, however short.
const LOOKS_MIN: usize = 1 << 20;
/// The same for the bytes of buffers in a buffer, each of which has looks of its own.
const NESTED_LOOKS_PER_BYTE: usize = 16;

type Verdict<T = ()> = Result<T, InvalidFlatbuffer>;

/// Whether `bytes` are a buffer whose root is the table `root`. The cost is bounded by their length, whatever they say.
pub(crate) fn verify(schema: &Schema, root: usize, bytes: &[u8]) -> Verdict {
    let nested_left = bytes.len().saturating_mul(NESTED_LOOKS_PER_BYTE);
    Walk { schema, bytes, nesting: NESTING_MAX, nested_left }.buffer(root).map(|_| ())
}

/// A way through one buffer.
struct Walk<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
    /// So many buffers may still lie in each other.
    nesting: usize,
    /// So many bytes of them may still be looked at.
    nested_left: usize,
}

impl Walk<'_> {
    /// Gives what is left of the looks at buffers inside.
    fn buffer(mut self, root: usize) -> Verdict<usize> {
        let len = self.bytes.len();
        let options = VerifierOptions {
            max_depth: DEPTH_MAX,
            max_tables: len,
            max_apparent_size: len.saturating_mul(LOOKS_PER_BYTE).saturating_add(LOOKS_MIN),
            ignore_missing_null_terminator: false,
        };
        let mut verifier = Verifier::new(&options, self.bytes);
        let table = follow(&mut verifier, 0)?;
        self.table(&mut verifier, root, table)?;
        Ok(self.nested_left)
    }

    fn table(&mut self, v: &mut Verifier<'_, '_>, index: usize, position: usize) -> Verdict {
        let schema = self.schema;
        let mut table = v.visit_table(position)?;
        let fields = schema.objects.get(index).map_or(&[][..], |object| &object.fields);
        for field in fields.iter().filter(|field| !field.deprecated) {
            self.field(&mut table, field)?;
        }
        table.finish();
        Ok(())
    }

    fn field(&mut self, table: &mut TableVerifier<'_, '_, '_>, field: &Field) -> Verdict {
        let value = table.deref(field.offset)?;
        if field.kind.has_tag() {
            let tag = table.deref(field.offset.saturating_sub(2))?;
            return match (&field.kind, tag, value) {
                (_, None, None) => missing(field),
                (Type::Union(union), Some(tag), Some(value)) => {
                    let tag = table.verifier().get_u8(tag)?;
                    self.member(table.verifier(), *union, tag, value)
                }
                (Type::Vector(item), Some(tags), Some(values)) => {
                    self.members(table.verifier(), item, &field.name, tags, values)
                }
                _ => inconsistent(&field.name),
            };
        }
        let Some(value) = value else { return missing(field) };
        self.value(table.verifier(), &field.kind, value)?;
        match field.nested {
            Some(root) => self.nested(table.verifier(), root, value),
            None => Ok(()),
        }
    }

    /// The value whose bytes, or whose offset, is at `at`.
    fn value(&mut self, v: &mut Verifier<'_, '_>, kind: &Type, at: usize) -> Verdict {
        match kind {
            Type::Scalar(_) | Type::Enum(..) | Type::Struct(_) | Type::Array(..) => {
                self.range(v, kind, at, 1)
            }
            Type::String => {
                let text = follow(v, at)?;
                <&str>::run_verifier(v, text)
            }
            Type::Table(index) => {
                let table = follow(v, at)?;
                self.table(v, *index, table)
            }
            Type::Vector(item) => {
                let (first, count) = vector(v, at)?;
                self.range(v, item, first, count)?;
                if !item.is_offset() {
                    return Ok(());
                }
                (0..count).try_for_each(|n| self.value(v, item, first.saturating_add(n * 4)))
            }
            // Only a field has the tag that it needs.
            Type::Union(_) => inconsistent("union"),
        }
    }

    /// So many values of a fixed size in a row. Where there are none, C++ does not align them.
    fn range(&self, v: &mut Verifier<'_, '_>, item: &Type, at: usize, count: usize) -> Verdict {
        let Layout { size, align } = self.schema.layout(item);
        if count > 0 && !at.is_multiple_of(align) {
            return Err(InvalidFlatbuffer::Unaligned {
                position: at,
                unaligned_type: self.schema.type_name(item).into(),
                error_trace: Default::default(),
            });
        }
        v.range_in_buffer(at, size.saturating_mul(count))
    }

    /// The value of a union. A type that the schema does not know is a newer program's, and is not looked at.
    fn member(&mut self, v: &mut Verifier<'_, '_>, union: usize, tag: u8, at: usize) -> Verdict {
        let schema = self.schema;
        let known = schema.enums.get(union).and_then(|union| union.member(tag));
        match known.and_then(|variant| variant.member.as_ref()) {
            Some(kind @ Type::Struct(_)) => {
                // In a table a struct lies where it stands, in a union behind an offset.
                let place = follow(v, at)?;
                self.range(v, kind, place, 1)
            }
            Some(kind) => self.value(v, kind, at),
            None => Ok(()),
        }
    }

    /// A vector of unions, and that of their types.
    fn members(
        &mut self,
        v: &mut Verifier<'_, '_>,
        item: &Type,
        name: &str,
        tags: usize,
        values: usize,
    ) -> Verdict {
        let Type::Union(union) = item else { return inconsistent(name) };
        let (tag, tag_count) = vector(v, tags)?;
        v.range_in_buffer(tag, tag_count)?;
        let (value, count) = vector(v, values)?;
        if tag_count != count {
            return inconsistent(name);
        }
        self.range(v, item, value, count)?;
        for n in 0..count {
            let tag = v.get_u8(tag.saturating_add(n))?;
            // A member of no type leads nowhere.
            if tag != 0 {
                self.member(v, *union, tag, value.saturating_add(n * 4))?;
            }
        }
        Ok(())
    }

    /// The buffer in a vector of bytes.
    fn nested(&mut self, v: &mut Verifier<'_, '_>, root: usize, at: usize) -> Verdict {
        let (first, count) = vector(v, at)?;
        v.range_in_buffer(first, count)?;
        let bytes = self.bytes.get(first..first.saturating_add(count)).unwrap_or_default();
        let left = self.nested_left.checked_sub(count);
        let nested_left = left.ok_or(InvalidFlatbuffer::ApparentSizeTooLarge)?;
        let nesting = self.nesting.checked_sub(1).ok_or(InvalidFlatbuffer::DepthLimitReached)?;
        let inside = Walk { schema: self.schema, bytes, nesting, nested_left };
        self.nested_left = inside.buffer(root)?;
        Ok(())
    }
}

/// Where the offset at `at` leads.
fn follow(v: &mut Verifier<'_, '_>, at: usize) -> Verdict<usize> {
    let offset = usize::try_from(v.get_uoffset(at)?).unwrap_or(usize::MAX);
    Ok(at.saturating_add(offset))
}

/// The first element, and how many there are, of the vector that the offset at `at` leads to.
fn vector(v: &mut Verifier<'_, '_>, at: usize) -> Verdict<(usize, usize)> {
    let start = follow(v, at)?;
    let count = usize::try_from(v.get_uoffset(start)?).unwrap_or(usize::MAX);
    Ok((start.saturating_add(4), count))
}

/// Whether the field can be left out.
fn missing(field: &Field) -> Verdict {
    if field.required {
        return InvalidFlatbuffer::new_missing_required(field.name.clone());
    }
    Ok(())
}

fn inconsistent(name: &str) -> Verdict {
    InvalidFlatbuffer::new_inconsistent_union(format!("{name}_type"), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, NESTING_MAX, verify};
    use crate::fbs::{Schema, load, show};
    use edgelog_record::{Schema as Text, Table};
    use record_judge::{Everything, Pool, Random};
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    fn schema_of(text: &str) -> Schema {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.fbs");
        fs::write(&path, text).unwrap();
        load(&path).unwrap()
    }

    /// Whether `root` accepts the bytes. What is accepted can be shown.
    fn accepts(schema: &Schema, bytes: &[u8]) -> bool {
        let root = schema.root.unwrap();
        let accepted = verify(schema, root, bytes).is_ok();
        if accepted {
            let shown = show::json(schema, root, bytes);
            assert!(shown.is_ok(), "{shown:?} of {bytes:02X?}");
        }
        accepted
    }

    /// The bytes with any bit flipped, cut anywhere, and with likely offsets and lengths everywhere.
    fn damaged(whole: &[u8], see: &mut impl FnMut(&[u8])) {
        let mut bytes = whole.to_vec();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            see(&bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        (0..bytes.len()).for_each(|len| see(&bytes[..len]));
        let len = u32::try_from(bytes.len()).unwrap();
        for at in (0..bytes.len() - 4).step_by(2) {
            let kept: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
            for value in [
                0,
                1,
                2,
                4,
                8,
                len / 2,
                len - 1,
                len,
                i32::MAX as u32,
                1 << 31,
                u32::MAX - 3,
                u32::MAX,
            ] {
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
                see(&bytes);
            }
            bytes[at..at + 4].copy_from_slice(&kept);
        }
    }

    /// What edgelog-record accepts is what the official library accepts: its own tests show it.
    #[test]
    fn bytes_are_accepted_if_and_only_if_the_official_verifier_accepts_them() {
        let schema = schema_of(&Text::of::<Everything<'_>>().to_string());
        let (mut accepted, mut refused) = (0, 0);
        for seed in 0..4 {
            let pool = Pool::new(seed);
            let it = pool.everything(&mut Random::new(seed));
            let mut whole = vec![0; it.encoded_len()];
            it.write(&mut whole).unwrap();
            assert!(accepts(&schema, &whole), "seed {seed}");
            damaged(&whole, &mut |bytes| {
                // Another identifier is no damage to a walk.
                let mut named = bytes.to_vec();
                if let Some(identifier) = named.get_mut(4..8) {
                    identifier.copy_from_slice(b"JUD1");
                }
                let theirs = Everything::read(&named).is_ok();
                assert_eq!(accepts(&schema, &named), theirs, "seed {seed}: {named:02X?}");
                *(if theirs { &mut accepted } else { &mut refused }) += 1;
            });
        }
        assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
    }

    /// Unions, vectors of them, nested buffers, arrays: nothing that is accepted fails to be shown, and nothing panics.
    #[test]
    fn damage_to_anything_that_flatbuffers_has_is_refused_or_can_be_shown() {
        const EVENT: &str = r#"{"maybe_int": 0, "text": "abc", "inner": {"tiny": 1, "wide": 2.5, "colour": "Blue"},
            "any_type": "judge_parts_Leaf", "any": {"name": "n"}, "tree": {"left": {"leaf": {"name": "x"}}, "many": [{}, {"value": 3}]},
            "nested": {"value": 9, "left": {"value": 1}}, "texts": ["a", ""], "longs": [1, 2], "colours": ["Red", 7],
            "anys_type": ["text", "Tree", "judge_parts_Leaf", "Struct"], "anys": ["hello", {"value": 3}, {"name": "n"},
            {"inner": {"tiny": 1, "wide": 2, "colour": 1}, "grid": [1, 2, 3], "inners": [{"tiny": 1, "wide": 2, "colour": 1},
            {"tiny": 1, "wide": 2, "colour": 1}], "truth": true, "colours": [1, 2], "far": 7}]}"#;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/everything.fbs");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("e.json"), EVENT).unwrap();
        let mut flatc = Command::new("flatc");
        let flatc = flatc.current_dir(folder.path()).arg("--binary").arg(&path).arg("e.json");
        let output = flatc.output().expect("flatc is needed: apt-get install flatbuffers-compiler");
        assert!(output.status.success(), "{output:?}");
        let whole = fs::read(folder.path().join("e.bin")).unwrap();
        let schema = load(&path).unwrap();
        assert!(accepts(&schema, &whole));
        let (mut accepted, mut refused) = (0, 0);
        damaged(&whole, &mut |bytes| {
            *(if accepts(&schema, bytes) { &mut accepted } else { &mut refused }) += 1;
        });
        assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
    }

    #[test]
    fn tables_in_tables_and_buffers_in_buffers_without_end_are_refused() {
        let schema = schema_of(
            "table T { next:T; inside:[ubyte] (nested_flatbuffer: \"T\"); } root_type T;",
        );
        let word = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        for depth in [1, DEPTH_MAX, DEPTH_MAX + 1, 100_000] {
            // The root's offset, the vtable of all tables but the last, and these, each of which leads to the next.
            let mut tables = [12, 0, 0, 0, 6, 0, 8, 0, 4, 0, 0, 0].to_vec();
            for n in 1..depth {
                tables.extend(word(8 * n));
                tables.extend(word(4));
            }
            // The last one, with a vtable of its own behind it.
            tables.extend((-4_i32).to_le_bytes());
            tables.extend([4, 0, 4, 0]);
            assert_eq!(accepts(&schema, &tables), depth <= DEPTH_MAX, "{depth} tables");
        }
        let mut nested = vec![8, 0, 0, 0, 4, 0, 4, 0, 4, 0, 0, 0];
        for depth in 0..12 {
            assert_eq!(accepts(&schema, &nested), depth <= NESTING_MAX, "depth {depth}");
            let len = u32::try_from(nested.len()).unwrap();
            let mut around = vec![12, 0, 0, 0, 8, 0, 8, 0, 0, 0, 4, 0, 8, 0, 0, 0, 4, 0, 0, 0];
            around.extend(len.to_le_bytes());
            around.extend(&nested);
            nested = around;
        }
    }
}
