//! Which changes of a schema break old data or old readers.
//!
//! The rules are those of `flatc --conform` and of crates/edgelog-record/schema/EVOLUTION.md. Fields are compared by their ids, members
//! of unions and values of enums by their numbers, because those are what data hold. A name is not in the data: another one is told,
//! and breaks nothing. A table, struct, enum or union that has another name is found by what leads to it.

use super::{Enum, Field, Number, Object, Scalar, Schema, Type, Variant};
use std::collections::BTreeSet;

/// A change that matters.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    /// Whether it breaks anybody, or is only to be known.
    pub(crate) breaks: bool,
    /// Where, what, whom it breaks, and what to do instead.
    pub(crate) told: String,
}

/// Everything that matters between the two, without what both sides understand anyway.
pub(crate) fn compare(old: &Schema, new: &Schema) -> Vec<Change> {
    let (objects, enums) = (BTreeSet::new(), BTreeSet::new());
    let mut comparison = Comparison { old, new, objects, enums, changes: Vec::new() };
    comparison.root();
    comparison.tables();
    comparison.others();
    comparison.changes
}

struct Comparison<'a> {
    old: &'a Schema,
    new: &'a Schema,
    /// Pairs that were compared, or are being: a table may contain itself.
    objects: BTreeSet<(usize, usize)>,
    enums: BTreeSet<(usize, usize)>,
    changes: Vec<Change>,
}

impl<'a> Comparison<'a> {
    fn breaks(&mut self, place: &str, what: &str) {
        self.changes.push(Change { breaks: true, told: format!("{place}: {what}") });
    }

    fn known(&mut self, place: &str, what: &str) {
        self.changes.push(Change { breaks: false, told: format!("{place}: {what}") });
    }

    fn root(&mut self) {
        let (old, new) = (self.old, self.new);
        let name = |schema: &'a Schema, root: Option<usize>| {
            root.and_then(|root| schema.objects.get(root)).map(|object| object.name.as_str())
        };
        match (name(old, old.root), name(new, new.root)) {
            (Some(was), None) => self.breaks(
                "root_type",
                &format!("{was} is no longer named; new readers do not know what old data are; name it again"),
            ),
            (Some(was), Some(is)) if was != is && new.table(was).is_some() => self.breaks(
                "root_type",
                &format!(
                    "changed from {was} to {is}; new readers read old data as another table, old readers new data; keep it, and make a schema of its own for {is}"
                ),
            ),
            (Some(_), Some(_)) => {
                if let (Some(was), Some(is)) = (old.root, new.root) {
                    self.object_pair(was, is);
                }
            }
            (None, _) => {}
        }
        match (old.identifier.as_deref(), new.identifier.as_deref()) {
            (was, is) if was == is => {}
            (Some(was), Some(is)) => self.breaks(
                "file_identifier",
                &format!("changed from {was:?} to {is:?}; new readers refuse old data, old readers new data; keep it"),
            ),
            (Some(was), None) => self.breaks(
                "file_identifier",
                &format!("{was:?} is gone; old readers refuse new data; keep it"),
            ),
            (None, is) => self.breaks(
                "file_identifier",
                &format!("{:?} is new; new readers refuse old data, which has none; leave it out", is.unwrap_or_default()),
            ),
        }
    }

    /// Every table may be somebody's root.
    fn tables(&mut self) {
        let (old, new) = (self.old, self.new);
        let tables = |schema: &'a Schema| {
            schema.objects.iter().enumerate().filter(|(_, it)| it.layout.is_none())
        };
        // First by name, so that what they lead to under another name is found before it is missed.
        for (index, table) in tables(old) {
            if let Some(same) = new.objects.iter().position(|it| it.name == table.name) {
                self.object_pair(index, same);
            }
        }
        for (index, table) in tables(old) {
            if !self.objects.iter().any(|(was, _)| *was == index) {
                self.breaks(
                    &table.name,
                    "the table is gone, or nothing leads to it under its new name; new readers cannot read old data of it; keep it",
                );
            }
        }
    }

    /// Structs, enums and unions that no table leads to.
    fn others(&mut self) {
        let (old, new) = (self.old, self.new);
        for (index, object) in old.objects.iter().enumerate() {
            if let Some(same) = new.objects.iter().position(|it| it.name == object.name) {
                self.object_pair(index, same);
            }
        }
        for (index, named) in old.enums.iter().enumerate() {
            if let Some(same) = new.enums.iter().position(|it| it.name == named.name) {
                self.enum_pair(index, same);
            }
        }
    }

    fn object_pair(&mut self, was: usize, is: usize) {
        if !self.objects.insert((was, is)) {
            return;
        }
        let (Some(old), Some(new)) = (self.old.objects.get(was), self.new.objects.get(is)) else {
            return;
        };
        self.renamed(&old.name, &old.name, &new.name);
        match (old.layout, new.layout) {
            (None, None) => self.table(old, new),
            (Some(_), Some(_)) => self.structure(old, new),
            (layout, _) => {
                let (from, to) =
                    if layout.is_none() { ("table", "struct") } else { ("struct", "table") };
                self.breaks(
                    &old.name,
                    &format!("changed from a {from} to a {to}; old data read as other bytes; keep it, and add a {to} with another name"),
                );
            }
        }
    }

    /// A name is not in the data.
    fn renamed(&mut self, place: &str, was: &str, is: &str) {
        if was != is {
            self.known(
                place,
                &format!("is called {is} now; data stay readable where it means the same; programs and JSON that use the name change"),
            );
        }
    }

    fn table(&mut self, old: &Object, new: &Object) {
        for was in &old.fields {
            let place = format!("{}.{} (id {})", old.name, was.name, was.id);
            let by_id = new.fields.iter().find(|field| field.id == was.id);
            let by_name = new.fields.iter().find(|field| field.name == was.name);
            match (by_id, by_name) {
                (_, Some(moved)) if moved.id != was.id => self.breaks(
                    &place,
                    &format!(
                        "its id is {} now; old data read as another field, old readers read new data so; keep the id, say it: (id: {})",
                        moved.id, was.id
                    ),
                ),
                (Some(is), _) if old.fields.iter().any(|it| it.name == is.name && it.id != is.id) => {
                    self.breaks(&place, GONE);
                }
                (Some(is), _) => self.field(&place, was, is),
                (None, _) => self.breaks(&place, GONE),
            }
        }
        for is in &new.fields {
            let known = old.fields.iter().any(|was| was.id == is.id || was.name == is.name);
            if is.required && !known {
                self.breaks(
                    &format!("{}.{} (id {})", new.name, is.name, is.id),
                    "added as required; new readers refuse old data, which has none; add it without (required)",
                );
            }
        }
    }

    fn field(&mut self, place: &str, was: &Field, is: &Field) {
        if was.deprecated && !is.deprecated {
            return self.breaks(
                place,
                &format!(
                    "was deprecated and is used as {} again; new readers read what old data have there, old readers ignore it; leave it deprecated and add a field",
                    is.name
                ),
            );
        }
        self.renamed(place, &was.name, &is.name);
        if was.required && is.deprecated {
            self.breaks(place, "deprecated while it is required; old readers refuse new data without it; go on writing it");
        } else if was.required && !is.required {
            self.breaks(place, "no longer required; old readers refuse new data without it; keep it until no old reader is left");
        } else if !was.required && is.required {
            self.breaks(
                place,
                "became required; new readers refuse old data without it; leave (required) out",
            );
        }
        if !self.same_type(&was.kind, &is.kind) {
            let (from, to) = (self.old.type_name(&was.kind), self.new.type_name(&is.kind));
            return self.breaks(place, &changed(&from, &to));
        }
        if let (Some(old), Some(new)) = (was.nested, is.nested) {
            self.object_pair(old, new);
        }
        if was.default != is.default {
            self.default(place, was, is);
        }
    }

    fn default(&mut self, place: &str, was: &Field, is: &Field) {
        let old = self.old.default_text(was);
        let new = self.new.default_text(is);
        self.breaks(
            place,
            &format!(
                "its default changed from {old} to {new}; old data that left it out read as {new}, old readers read new data so as {old}; keep the default, or deprecate the field and add another"
            ),
        );
    }

    /// A struct has fixed places: whatever moves, moves in the old data too.
    fn structure(&mut self, old: &Object, new: &Object) {
        let instead = "a struct cannot change; old data read as other values, old readers read new data so; keep it, and add a table's field with a new struct";
        for (n, was) in old.fields.iter().enumerate() {
            let place = format!("{}.{}", old.name, was.name);
            let Some(is) = new.fields.get(n) else {
                self.breaks(&place, &format!("removed; {instead}"));
                continue;
            };
            if new.fields.iter().any(|it| it.name == was.name) && is.name != was.name {
                self.breaks(&place, &format!("has another place now; {instead}"));
            } else if !self.same_type(&was.kind, &is.kind) {
                let (from, to) = (self.old.type_name(&was.kind), self.new.type_name(&is.kind));
                self.breaks(&place, &format!("its type changed from {from} to {to}; {instead}"));
            } else {
                self.renamed(&place, &was.name, &is.name);
                if was.offset != is.offset {
                    self.breaks(
                        &place,
                        &format!("lies at byte {} now, not {}; {instead}", is.offset, was.offset),
                    );
                }
            }
        }
        for is in new.fields.iter().skip(old.fields.len()) {
            let place = format!("{}.{}", new.name, is.name);
            self.breaks(&place, &format!("added; {instead}"));
        }
        if let (Some(was), Some(is)) = (old.layout, new.layout)
            && was != is
            && old.fields.len() == new.fields.len()
        {
            let told = format!(
                "takes {} bytes aligned to {} now, not {} aligned to {}; {instead}",
                is.size, is.align, was.size, was.align
            );
            self.breaks(&old.name, &told);
        }
    }

    /// Whether bytes of the one are read as the other. What the two are made of is compared on the way.
    fn same_type(&mut self, was: &Type, is: &Type) -> bool {
        match (was, is) {
            (Type::Table(was), Type::Table(is)) | (Type::Struct(was), Type::Struct(is)) => {
                let names = (self.old.objects.get(*was), self.new.objects.get(*is));
                let (Some(old), Some(new)) = names else { return false };
                // Another one, while the old one is still there: not the same under another name.
                if old.name != new.name && self.new.objects.iter().any(|it| it.name == old.name) {
                    return false;
                }
                self.object_pair(*was, *is);
                true
            }
            (Type::Enum(_, was), Type::Enum(_, is)) | (Type::Union(was), Type::Union(is)) => {
                let names = (self.old.enums.get(*was), self.new.enums.get(*is));
                let (Some(old), Some(new)) = names else { return false };
                if old.name != new.name && self.new.enums.iter().any(|it| it.name == old.name) {
                    return false;
                }
                self.enum_pair(*was, *is);
                true
            }
            (Type::Vector(was), Type::Vector(is)) => self.same_type(was, is),
            (Type::Array(was, old), Type::Array(is, new)) => old == new && self.same_type(was, is),
            (Type::Scalar(was), Type::Scalar(is)) => was == is,
            (Type::String, Type::String) => true,
            _ => false,
        }
    }

    fn enum_pair(&mut self, was: usize, is: usize) {
        if !self.enums.insert((was, is)) {
            return;
        }
        let (Some(old), Some(new)) = (self.old.enums.get(was), self.new.enums.get(is)) else {
            return;
        };
        self.renamed(&old.name, &old.name, &new.name);
        if old.is_union != new.is_union {
            return self.breaks(&old.name, &changed(old.kind_name(), new.kind_name()));
        }
        if old.scalar != new.scalar {
            return self.breaks(
                &old.name,
                &format!(
                    "its numbers are of {} now, not {}; old data read as other values, old readers read new data so; keep it, and add an enum",
                    new.scalar.name(),
                    old.scalar.name()
                ),
            );
        }
        for variant in &old.variants {
            self.variant(old, variant, new);
        }
    }

    fn variant(&mut self, old: &Enum, was: &Variant, new: &Enum) {
        let number = old.number(was);
        let place = format!("{}.{} ({number})", old.name, was.name);
        let by_number = new.variants.iter().find(|it| it.value == was.value);
        let by_name = new.variants.iter().find(|it| it.name == was.name);
        match (by_number, by_name) {
            (_, Some(moved)) if moved.value != was.value => self.breaks(
                &place,
                &format!(
                    "its number is {} now; old data have {number} for it, old readers read new data so; keep the number, say it: = {number}",
                    new.number(moved)
                ),
            ),
            (None, _) if old.is_union => self.breaks(
                &place,
                "the member is gone; new readers cannot read old data that hold one, and its number is free for another; keep it",
            ),
            (None, _) => self.breaks(
                &place,
                "the value is gone; old data that hold it have no name in new readers, and its number is free for another; keep it",
            ),
            (Some(is), _) => {
                let same = match (&was.member, &is.member) {
                    (Some(old), Some(new)) => self.same_type(old, new),
                    (old, new) => old.is_none() && new.is_none(),
                };
                if same {
                    self.renamed(&place, &was.name, &is.name);
                } else {
                    let name = |schema: &Schema, member: &Option<Type>| {
                        member.as_ref().map_or_else(|| "nothing".to_owned(), |kind| schema.type_name(kind))
                    };
                    let (from, to) = (name(self.old, &was.member), name(self.new, &is.member));
                    let told = format!("its type changed from {from} to {to}; old data read as another table, old readers read new data so; keep it, and add a member");
                    self.breaks(&place, &told);
                }
            }
        }
    }
}

const GONE: &str = "removed; new readers lose what old data have there, old readers miss it, and its id is free for another meaning; mark it (deprecated) instead";

fn changed(from: &str, to: &str) -> String {
    format!(
        "its type changed from {from} to {to}; old data read as something else or not at all, old readers read new data so; deprecate it and add a field of the new type"
    )
}

impl Schema {
    /// A field's default as a schema has it.
    fn default_text(&self, field: &Field) -> String {
        let named = match &field.kind {
            Type::Enum(_, index) => self.enums.get(*index),
            _ => None,
        };
        let unsigned = matches!(field.kind, Type::Scalar(Scalar::U64) | Type::Enum(Scalar::U64, _));
        match field.default {
            None => "null".to_owned(),
            Some(Number::Real(real)) => real.to_string(),
            Some(Number::Whole(bits)) => {
                let name =
                    named.and_then(|named| named.variants.iter().find(|it| it.value == bits));
                match name {
                    Some(variant) => variant.name.clone(),
                    None if matches!(field.kind, Type::Scalar(Scalar::Bool)) => {
                        (bits != 0).to_string()
                    }
                    None if unsigned => bits.cast_unsigned().to_string(),
                    None => bits.to_string(),
                }
            }
        }
    }
}

impl Enum {
    fn number(&self, variant: &Variant) -> String {
        if self.scalar == Scalar::U64 {
            variant.value.cast_unsigned().to_string()
        } else {
            variant.value.to_string()
        }
    }

    const fn kind_name(&self) -> &'static str {
        if self.is_union { "union" } else { "enum" }
    }
}
