//! Schemas of users, as they are known at run time: what `edgelog tail --schema` shows and `edgelog schema check` compares.
//!
//! [`load()`] reads them, [`verify()`] decides whether bytes are trusted, [`show`] makes JSON of those that are, [`conform`] compares two.

pub(crate) mod conform;
mod load;
pub(crate) mod show;
mod verify;

pub(crate) use load::load;
pub(crate) use verify::verify;

use flatbuffers_reflection::reflection::BaseType;

/// A schema. Every index in it leads to something, and no struct contains itself: [`load()`] has seen to that.
#[derive(Debug)]
pub(crate) struct Schema {
    /// Tables and structs.
    pub(crate) objects: Vec<Object>,
    /// Enums and unions.
    pub(crate) enums: Vec<Enum>,
    /// The table that a buffer's root is, if nothing else is said.
    pub(crate) root: Option<usize>,
    /// What a buffer with that root carries at its bytes 4 to 8.
    pub(crate) identifier: Option<String>,
}

/// A table or a struct.
#[derive(Debug)]
pub(crate) struct Object {
    /// With its namespace.
    pub(crate) name: String,
    /// What a struct takes; `None` for a table.
    pub(crate) layout: Option<Layout>,
    /// By their ids. The type of a union is no field of its own here.
    pub(crate) fields: Vec<Field>,
}

/// What a struct takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bytes, never 0.
    pub(crate) size: usize,
    /// A power of two.
    pub(crate) align: usize,
}

/// A field of a table or a struct.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) id: u16,
    /// Where it is: an entry of the vtable, or bytes from the start of a struct.
    pub(crate) offset: u16,
    pub(crate) kind: Type,
    /// What a scalar is that was left out; `None` for an optional one and for all that is no scalar.
    pub(crate) default: Option<Number>,
    pub(crate) required: bool,
    pub(crate) deprecated: bool,
    /// The table that the bytes in this field are a buffer of.
    pub(crate) nested: Option<usize>,
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Scalar(Scalar),
    Enum(Scalar, usize),
    String,
    Table(usize),
    Struct(usize),
    Union(usize),
    Vector(Box<Self>),
    /// So many, in a struct.
    Array(Box<Self>, usize),
}

/// An enum or a union.
#[derive(Debug)]
pub(crate) struct Enum {
    /// With its namespace.
    pub(crate) name: String,
    pub(crate) is_union: bool,
    /// What its numbers are stored as.
    pub(crate) scalar: Scalar,
    /// Its values can be added up.
    pub(crate) bit_flags: bool,
    pub(crate) variants: Vec<Variant>,
}

/// A named value of an enum, or a member of a union.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) name: String,
    /// Its bits, where the enum is of `ulong`.
    pub(crate) value: i64,
    /// What a union's member is; `None` for NONE.
    pub(crate) member: Option<Type>,
}

/// A scalar's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

/// A scalar's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    /// The bits, where it is a `ulong`.
    Whole(i64),
    Real(f64),
}

/// Bytes are compared: NaN is NaN, and -0.0 is not 0.0.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one == other,
            (Self::Real(one), Self::Real(other)) => one.to_bits() == other.to_bits(),
            _ => false,
        }
    }
}

impl Schema {
    /// The table of this name.
    pub(crate) fn table(&self, name: &str) -> Option<usize> {
        self.objects.iter().position(|object| object.layout.is_none() && object.name == name)
    }

    /// The names of all tables.
    pub(crate) fn table_names(&self) -> Vec<&str> {
        let tables = self.objects.iter().filter(|object| object.layout.is_none());
        tables.map(|table| table.name.as_str()).collect()
    }

    /// Bytes that a value takes where it stands, and the multiple of which it stands at.
    pub(crate) fn layout(&self, kind: &Type) -> Layout {
        match kind {
            Type::Scalar(scalar) | Type::Enum(scalar, _) => scalar.layout(),
            Type::Struct(index) => self
                .objects
                .get(*index)
                .and_then(|object| object.layout)
                .unwrap_or_else(|| Scalar::U32.layout()),
            Type::Array(item, count) => {
                let Layout { size, align } = self.layout(item);
                Layout { size: size.saturating_mul(*count), align }
            }
            Type::String | Type::Table(_) | Type::Union(_) | Type::Vector(_) => {
                Scalar::U32.layout()
            }
        }
    }

    /// A type as a schema's text has it.
    pub(crate) fn type_name(&self, kind: &Type) -> String {
        let object = |index: &usize| self.objects.get(*index).map(|object| object.name.clone());
        let named = |index: &usize| self.enums.get(*index).map(|named| named.name.clone());
        match kind {
            Type::Scalar(scalar) => scalar.name().to_owned(),
            Type::Enum(_, index) | Type::Union(index) => named(index).unwrap_or_default(),
            Type::Table(index) | Type::Struct(index) => object(index).unwrap_or_default(),
            Type::String => "string".to_owned(),
            Type::Vector(item) => format!("[{}]", self.type_name(item)),
            Type::Array(item, count) => format!("[{}:{count}]", self.type_name(item)),
        }
    }
}

impl Type {
    /// Whether a value lies behind an offset.
    const fn is_offset(&self) -> bool {
        matches!(self, Self::String | Self::Table(_) | Self::Union(_) | Self::Vector(_))
    }

    /// Whether the field before it says what it is: of a union, or of each one in a vector of them.
    fn has_tag(&self) -> bool {
        match self {
            Self::Union(_) => true,
            Self::Vector(item) => matches!(**item, Self::Union(_)),
            _ => false,
        }
    }

    /// What an array in a struct is of; any other type itself.
    fn fixed(&self) -> &Self {
        match self {
            Self::Array(item, _) => item,
            kind => kind,
        }
    }
}

impl Enum {
    /// The member of a union whose type is stored as `value`.
    pub(crate) fn member(&self, value: u8) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.value == i64::from(value))
    }
}

impl Scalar {
    /// All of them, with what a schema calls them, what a compiled one calls them, and their size.
    const ALL: [(Self, &'static str, BaseType, usize); 11] = [
        (Self::Bool, "bool", BaseType::Bool, 1),
        (Self::I8, "byte", BaseType::Byte, 1),
        (Self::U8, "ubyte", BaseType::UByte, 1),
        (Self::I16, "short", BaseType::Short, 2),
        (Self::U16, "ushort", BaseType::UShort, 2),
        (Self::I32, "int", BaseType::Int, 4),
        (Self::U32, "uint", BaseType::UInt, 4),
        (Self::I64, "long", BaseType::Long, 8),
        (Self::U64, "ulong", BaseType::ULong, 8),
        (Self::F32, "float", BaseType::Float, 4),
        (Self::F64, "double", BaseType::Double, 8),
    ];

    fn of(base: BaseType) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, _, of, _)| *of == base).map(|(scalar, ..)| scalar)
    }

    fn row(self) -> (Self, &'static str, BaseType, usize) {
        let row = Self::ALL.into_iter().find(|(scalar, ..)| *scalar == self);
        row.unwrap_or((self, "", BaseType::None, 1))
    }

    /// What a schema calls it.
    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    /// Scalars stand at multiples of their size.
    fn layout(self) -> Layout {
        let size = self.row().3;
        Layout { size, align: size }
    }

    /// Whether it is one with a fraction.
    pub(crate) const fn is_real(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}
