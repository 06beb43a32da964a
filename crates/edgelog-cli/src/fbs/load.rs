//! Reading a schema: the official compiler turns its text into the official binary form, which the official library reads.

use super::{Enum, Field, Layout, Number, Object, Scalar, Schema, Type, Variant};
use anyhow::{Context, anyhow, bail};
use flatbuffers::VerifierOptions;
use flatbuffers_reflection::reflection::{self, BaseType, root_as_schema_with_opts};
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// How deep structs may lie in structs: deeper than any that a person writes.
const STRUCT_DEPTH_MAX: usize = 32;

/// Reads the schema in `path`: a text (.fbs), or what `flatc` made of one (.bfbs).
pub(crate) fn load(path: &Path) -> anyhow::Result<Schema> {
    let cannot = || format!("cannot read the schema {}", path.display());
    // Told by us, because flatc tells what is wrong with a file and not why there is none.
    let bytes = fs::read(path).with_context(cannot)?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    let compiled = match extension {
        Some("bfbs") => bytes,
        Some("fbs") => compile(path).with_context(cannot)?,
        _ => bail!("cannot read {}: a schema's name ends with .fbs or .bfbs", path.display()),
    };
    read(&compiled).with_context(cannot)
}

/// What `flatc` makes of a schema's text.
fn compile(path: &Path) -> anyhow::Result<Vec<u8>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut flatc = Command::new("flatc");
    flatc.args(["--binary", "--schema", "--bfbs-builtins", "-o"]).arg(folder.path());
    // A name that begins with a dash would be taken for an option.
    let path = std::path::absolute(path)?;
    let output = flatc.arg(&path).stdin(Stdio::null()).output().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            anyhow!(
                "flatc, the FlatBuffers compiler, reads schemas and is not there: install it (on Debian: apt-get install \
                 flatbuffers-compiler; on macOS: brew install flatbuffers), or give the .bfbs that \
                 `flatc --schema --binary --bfbs-builtins FILE.fbs` makes elsewhere"
            )
        } else {
            anyhow!("cannot run flatc: {error}")
        }
    })?;
    if !output.status.success() {
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        let why = said.lines().map(str::trim).find(|line| line.contains("error"));
        bail!("flatc says: {}", why.unwrap_or_else(|| said.trim()));
    }
    let name = path.with_extension("bfbs");
    let made = folder.path().join(name.file_name().unwrap_or_default());
    fs::read(&made).context("flatc made no binary schema")
}

/// What a binary schema says, if it makes sense: it may come from anywhere.
fn read(bytes: &[u8]) -> anyhow::Result<Schema> {
    let options = VerifierOptions { max_tables: bytes.len(), ..VerifierOptions::default() };
    let schema = root_as_schema_with_opts(&options, bytes)
        .map_err(|error| anyhow!("not a binary schema: {}", first_line(&error.to_string())))?;
    let enums = schema.enums().iter().map(|it| enumeration(&schema, it));
    let enums: Vec<Enum> = enums.collect::<anyhow::Result<_>>()?;
    let objects = schema.objects().iter().map(|it| object(&schema, it));
    let objects: Vec<Object> = objects.collect::<anyhow::Result<_>>()?;
    let root = schema.root_table().map(|root| {
        let found = objects.iter().position(|it| it.layout.is_none() && it.name == root.name());
        found.context("not a binary schema: its root is not among its tables")
    });
    // An empty one is how flatc says that there is none.
    let identifier = schema.file_ident().filter(|it| !it.is_empty()).map(str::to_owned);
    let schema = Schema { objects, enums, root: root.transpose()?, identifier };
    for object in &schema.objects {
        check_layout(&schema, object)
            .with_context(|| format!("not a binary schema: {} makes no sense", object.name))?;
    }
    check_depth(&schema)?;
    Ok(schema)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn enumeration(schema: &reflection::Schema<'_>, it: reflection::Enum<'_>) -> anyhow::Result<Enum> {
    let base = it.underlying_type().base_type();
    let scalar = if it.is_union() { Some(Scalar::U8) } else { Scalar::of(base) };
    let mut variants = Vec::with_capacity(it.values().len());
    for value in it.values() {
        let member = value.union_type().filter(|of| of.base_type() != BaseType::None);
        let member = member.map(|of| kind(schema, of.base_type(), &of)).transpose()?;
        variants.push(Variant { name: value.name().to_owned(), value: value.value(), member });
    }
    Ok(Enum {
        name: it.name().to_owned(),
        is_union: it.is_union(),
        scalar: scalar.with_context(|| format!("{} is an enum of {base:?}", it.name()))?,
        bit_flags: attribute(it.attributes(), "bit_flags").is_some(),
        variants,
    })
}

type Attributes<'a> =
    Option<flatbuffers::Vector<'a, flatbuffers::ForwardsUOffset<reflection::KeyValue<'a>>>>;

/// The value of an attribute, empty where it has none.
fn attribute<'a>(attributes: Attributes<'a>, name: &str) -> Option<&'a str> {
    let found = attributes?.iter().find(|it| it.key() == name)?;
    Some(found.value().unwrap_or_default())
}

fn object(schema: &reflection::Schema<'_>, it: reflection::Object<'_>) -> anyhow::Result<Object> {
    let name = it.name();
    let layout = it.is_struct().then(|| {
        let (size, align) = (usize::try_from(it.bytesize())?, usize::try_from(it.minalign())?);
        anyhow::Ok(Layout { size, align })
    });
    let layout = layout.transpose().with_context(|| format!("the size of {name}"))?;
    let mut fields = Vec::with_capacity(it.fields().len());
    for field in it.fields() {
        let of = field.type_();
        let item = of.element();
        // They belong to the union that follows them.
        if of.base_type() == BaseType::UType
            || (of.base_type() == BaseType::Vector && item == BaseType::UType)
        {
            continue;
        }
        let kind = kind(schema, of.base_type(), &of)
            .with_context(|| format!("the field {name}.{}", field.name()))?;
        let default = match kind {
            Type::Scalar(_) | Type::Enum(..) if layout.is_some() || field.optional() => None,
            Type::Scalar(scalar) if scalar.is_real() => Some(Number::Real(field.default_real())),
            Type::Scalar(_) | Type::Enum(..) => Some(Number::Whole(field.default_integer())),
            _ => None,
        };
        let nested = attribute(field.attributes(), "nested_flatbuffer")
            .and_then(|nested| nested_table(schema, name, nested));
        fields.push(Field {
            name: field.name().to_owned(),
            id: field.id(),
            offset: field.offset(),
            kind,
            default,
            required: field.required(),
            deprecated: field.deprecated(),
            nested,
        });
    }
    fields.sort_by_key(|field| (field.id, field.offset));
    Ok(Object { name: name.to_owned(), layout, fields })
}

/// The table that an attribute names, from inside of the namespace of `place` or one around it.
fn nested_table(schema: &reflection::Schema<'_>, place: &str, name: &str) -> Option<usize> {
    let mut space = place;
    loop {
        space = space.rsplit_once('.').map_or("", |(outer, _)| outer);
        let full = if space.is_empty() { name.to_owned() } else { format!("{space}.{name}") };
        let found = schema.objects().iter().position(|it| !it.is_struct() && it.name() == full);
        if found.is_some() || space.is_empty() {
            return found;
        }
    }
}

/// The type `base` that `of` tells the rest of.
fn kind(
    schema: &reflection::Schema<'_>,
    base: BaseType,
    of: &reflection::Type<'_>,
) -> anyhow::Result<Type> {
    let index = usize::try_from(of.index()).ok();
    let in_range = |count: usize| index.filter(|&index| index < count).context("no such type");
    Ok(match base {
        BaseType::String => Type::String,
        BaseType::Obj => {
            let index = in_range(schema.objects().len())?;
            if schema.objects().get(index).is_struct() {
                Type::Struct(index)
            } else {
                Type::Table(index)
            }
        }
        BaseType::Union => Type::Union(in_range(schema.enums().len())?),
        BaseType::Vector | BaseType::Array => {
            let element = of.element();
            if matches!(element, BaseType::Vector | BaseType::Array) {
                bail!("vectors in vectors are not known");
            }
            let item = Box::new(kind(schema, element, of)?);
            if base == BaseType::Vector {
                Type::Vector(item)
            } else {
                Type::Array(item, usize::from(of.fixed_length()))
            }
        }
        base => {
            let scalar = Scalar::of(base)
                .with_context(|| format!("the type {base:?} is not known to this program"))?;
            match index {
                Some(_) => Type::Enum(scalar, in_range(schema.enums().len())?),
                None => Type::Scalar(scalar),
            }
        }
    })
}

/// What reading relies on: the fields of a struct lie in it and end somewhere, and those of a table have entries.
fn check_layout(schema: &Schema, object: &Object) -> anyhow::Result<()> {
    let Some(Layout { size, align }) = object.layout else {
        for field in &object.fields {
            let entry = usize::from(field.id) * 2 + 4;
            if usize::from(field.offset) != entry || (field.kind.has_tag() && field.id == 0) {
                bail!("the field {} has the wrong place", field.name);
            }
            if matches!(field.kind, Type::Array(..)) {
                bail!("the field {} is an array in a table", field.name);
            }
        }
        return Ok(());
    };
    if size == 0 || !align.is_power_of_two() {
        bail!("it has no size");
    }
    for field in &object.fields {
        if !matches!(field.kind.fixed(), Type::Scalar(_) | Type::Enum(..) | Type::Struct(_)) {
            bail!("the field {} has no fixed size", field.name);
        }
        if usize::from(field.offset).saturating_add(schema.layout(&field.kind).size) > size {
            bail!("the field {} lies outside", field.name);
        }
    }
    Ok(())
}

/// No struct lies in itself, by whatever way.
fn check_depth(schema: &Schema) -> anyhow::Result<()> {
    let mut depths = vec![0_usize; schema.objects.len()];
    for _ in 0..STRUCT_DEPTH_MAX {
        let deeper = schema.objects.iter().map(|object| {
            let inner = object.fields.iter().filter_map(|field| match field.kind.fixed() {
                Type::Struct(index) => depths.get(*index),
                _ => None,
            });
            inner.max().map_or(0, |deepest| deepest + 1)
        });
        let deeper: Vec<usize> = deeper.collect();
        if deeper == depths {
            return Ok(());
        }
        depths = deeper;
    }
    bail!("not a binary schema: structs lie in structs without end")
}

#[cfg(test)]
mod tests {
    use super::{compile, read};
    use crate::fbs::{show, verify};
    use record_judge::Random;
    use std::path::Path;

    #[test]
    fn a_damaged_binary_schema_is_refused_or_can_be_used_without_a_panic() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/everything.fbs");
        let whole = compile(&path).unwrap();
        assert!(read(&whole).is_ok());
        // An empty table, and one whose first field is there.
        let events = [
            &[8, 0, 0, 0, 4, 0, 4, 0, 4, 0, 0, 0][..],
            &[12, 0, 0, 0, 6, 0, 8, 0, 4, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0],
        ];
        let mut random = Random::new(1);
        let (mut good, mut bad) = (0, 0);
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = random.scalar();
            }
            bytes.truncate(whole.len() - random.below(2) * random.below(whole.len()));
            let Ok(schema) = read(&bytes) else {
                bad += 1;
                continue;
            };
            good += 1;
            for root in 0..schema.objects.len() {
                for event in events.iter().filter(|event| verify(&schema, root, event).is_ok()) {
                    let _ = show::json(&schema, root, event);
                }
            }
        }
        assert!(good > 1000 && bad > 1000, "{good} read, {bad} refused");
    }
}
