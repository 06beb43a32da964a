//! Tables: the macro that describes them, and what each can do.

use crate::reader::{Fields, Invalid};
use crate::schema::Declaration;
use crate::value::Value;
use crate::writer::{TooSmall, Writer};

/// A struct that [`table!`](crate::table!) made.
///
/// A buffer holds one as its root. Positions in it are aligned from its start: who lends it to a program that reads words in place,
/// C++ for example, puts its start at a multiple of 8.
pub trait Table<'a>: Value<'a> + Default {
    /// Its schema.
    const DECLARATION: &'static Declaration;
    /// The identifier of a buffer whose root it is, if it has one.
    const IDENTIFIER: Option<[u8; 4]>;

    /// Appends the table and what it leads to; gives where the table begins.
    fn append(&self, writer: &mut Writer<'_>) -> usize;

    /// Verifies the fields of a table, and gives it. Fields that this type does not know are not looked at.
    ///
    /// # Errors
    ///
    /// A field is not what it should be, or a required one is missing.
    fn from_fields(fields: &Fields<'a>) -> Result<Self, Invalid>;

    /// How many bytes [`write`](Self::write) writes. It costs what writing costs, without the copying of strings and bytes.
    #[must_use]
    fn encoded_len(&self) -> usize {
        self.write_all(Writer::new(&mut [])).end()
    }

    /// Writes a whole buffer to the front of `buffer`, and gives its length. What follows it there is left alone.
    ///
    /// # Errors
    ///
    /// [`TooSmall`] names the size that suffices.
    fn write(&self, buffer: &mut [u8]) -> Result<usize, TooSmall> {
        self.write_all(Writer::new(buffer)).finish()
    }

    /// Verifies a whole buffer, and gives its root. Nothing is copied but the scalars, and nothing can fail later.
    ///
    /// # Errors
    ///
    /// [`Invalid`] says what is wrong with the bytes.
    fn read(buffer: &'a [u8]) -> Result<Self, Invalid> {
        if let Some(identifier) = Self::IDENTIFIER
            && buffer.get(4..8) != Some(&identifier)
        {
            return Err(Invalid::Identifier);
        }
        Self::from_fields(&Fields::behind(buffer, 0)?)
    }

    /// Writes a whole buffer.
    #[doc(hidden)]
    fn write_all<'b>(&self, mut writer: Writer<'b>) -> Writer<'b> {
        writer.header(Self::IDENTIFIER);
        let table = self.append(&mut writer);
        writer.point(0, table);
        writer
    }
}

/// Describes a FlatBuffers table, and makes a struct of it with which the table is written and read: see [`Table`].
///
/// ```
/// edgelog_record::table! {
///     /// What the sensor of a room saw.
///     pub struct Reading<'a> in "acme.sensors" id "ACR1" {
///         /// Hundredths of a degree Celsius; 20 °C when it is left out.
///         0: celsius: i16 = 2000,
///         /// The room.
///         1: room: &'a str,
///         /// It was of no use.
///         2: brightness: edgelog_record::Deprecated<u32>,
///         /// Volts.
///         3: samples: Option<edgelog_record::Vector<'a, f32>>,
///     }
/// }
/// ```
///
/// - `in` names the namespace: names with points between. `id`, which can be left out, is the identifier that a buffer carries whose root
///   the table is: 4 printable ASCII characters.
/// - Fields are numbered from 0 without a gap. Once data are written, a number keeps its meaning: see `schema/EVOLUTION.md`.
/// - The type of a field says when it is stored: see [`Field`](crate::Field). A scalar may have a default after `=`: a plain
///   number, `true` or `false`.
/// - All fields are public. The struct has `Clone`, `Copy`, `Debug`, `Default` and `PartialEq`.
/// - A struct that borrows nothing needs no lifetime.
///
/// What cannot be is refused when it is compiled: a gap in the numbers,
///
/// ```compile_fail,E0080
/// edgelog_record::table! {
///     /// Something.
///     pub struct Wrong in "acme" {
///         /// A number.
///         1: number: u8,
///     }
/// }
/// ```
///
/// a default that `flatc` would not understand,
///
/// ```compile_fail,E0080
/// edgelog_record::table! {
///     /// Something.
///     pub struct Wrong in "acme" {
///         /// A number.
///         0: number: u32 = 1_000,
///     }
/// }
/// ```
///
/// an identifier of another length,
///
/// ```compile_fail,E0080
/// edgelog_record::table! {
///     /// Something.
///     pub struct Wrong in "acme" id "LONG?" {
///         /// A number.
///         0: number: u8,
///     }
/// }
/// # assert_eq!(<Wrong as edgelog_record::Table>::IDENTIFIER, None);
/// ```
///
/// a namespace that it would not understand,
///
/// ```compile_fail,E0080
/// edgelog_record::table! {
///     /// Something.
///     pub struct Wrong in "acme-sensors" {
///         /// A number.
///         0: number: u8,
///     }
/// }
/// ```
///
/// and a table in itself.
///
/// ```compile_fail,E0072
/// edgelog_record::table! {
///     /// Something.
///     pub struct Wrong in "acme" {
///         /// Another one.
///         0: inner: Option<Wrong>,
///     }
/// }
/// ```
#[macro_export]
macro_rules! table {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident<$life:lifetime> in $namespace:literal $(id $identifier:literal)? { $($fields:tt)* }
    ) => {
        $crate::table!(@ $life [<$life>] [$($doc)*] [$vis] $name $namespace [$($identifier)?] { $($fields)* });
    };
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident in $namespace:literal $(id $identifier:literal)? { $($fields:tt)* }
    ) => {
        $crate::table!(@ 'a [] [$($doc)*] [$vis] $name $namespace [$($identifier)?] { $($fields)* });
    };
    (
        @ $life:lifetime [$($generics:tt)*] [$($doc:literal)*] [$vis:vis] $name:ident $namespace:literal [$($identifier:literal)?]
        { $($(#[doc = $field_doc:literal])* $id:literal: $field:ident: $type:ty $(= $default:literal)?),+ $(,)? }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        $vis struct $name $($generics)* {
            $($(#[doc = $field_doc])* pub $field: $type,)+
        }

        const _: () = {
            assert!($crate::is_namespace($namespace), "a namespace is names with points between");
            let mut next = 0;
            $(
                assert!($id == next, "fields are numbered from 0 without a gap");
                next += 1;
                $(assert!($crate::schema_shows(stringify!($default)), "a default is a plain number, true or false");)?
            )+
        };

        impl $($generics)* ::core::default::Default for $name $($generics)* {
            fn default() -> Self {
                Self { $($field: $crate::table!(@default $($default)?)),+ }
            }
        }

        impl<$life> $crate::Table<$life> for $name $($generics)* {
            const DECLARATION: &'static $crate::Declaration = &$crate::Declaration {
                kind: $crate::Kind::Table,
                namespace: $namespace,
                name: stringify!($name),
                docs: &[$($doc),*],
                identifier: $crate::table!(@option $($identifier)?),
                members: &[$($crate::Member {
                    name: stringify!($field),
                    docs: &[$($field_doc),*],
                    field_type: <<$type as $crate::Field<$life>>::Value as $crate::Value<$life>>::TYPE,
                    need: <$type as $crate::Field<$life>>::NEED,
                    default: concat!($(stringify!($default))?),
                }),+],
            };
            const IDENTIFIER: ::core::option::Option<[u8; 4]> = match Self::DECLARATION.identifier {
                ::core::option::Option::Some(identifier) => match identifier.as_bytes().first_chunk() {
                    ::core::option::Option::Some(four) if identifier.len() == 4 && $crate::is_plain(identifier) => ::core::option::Option::Some(*four),
                    _ => panic!("an identifier has 4 bytes, printable ASCII without quotes"),
                },
                ::core::option::Option::None => ::core::option::Option::None,
            };

            #[inline]
            fn append(&self, writer: &mut $crate::Writer<'_>) -> usize {
                const {
                    let size = 4 $(+ 2 + <<$type as $crate::Field<$life>>::Value as $crate::Value<$life>>::SIZE)+;
                    assert!(size < 65536, "a table and its vtable are shorter than 64 KiB");
                }
                let default = <Self as ::core::default::Default>::default();
                $(let $field = $crate::Field::<$life>::to_store(&self.$field, &default.$field);)+
                let mut slots = [$($crate::Slot::of(&$field)),+];
                let table = writer.table(&mut slots);
                $(if let (::core::option::Option::Some(value), ::core::option::Option::Some(slot)) = ($field, slots.get($id)) {
                    $crate::Value::<$life>::put(&value, writer, slot.at());
                })+
                table
            }

            #[inline]
            fn from_fields(fields: &$crate::Fields<$life>) -> ::core::result::Result<Self, $crate::Invalid> {
                let default = <Self as ::core::default::Default>::default();
                ::core::result::Result::Ok(Self {
                    $($field: $crate::Field::<$life>::load(fields, $id, default.$field, stringify!($field))?,)+
                })
            }
        }

        impl<$life> $crate::Value<$life> for $name $($generics)* {
            const SIZE: usize = 4;
            const ALIGN: usize = 4;
            const TYPE: &'static $crate::Type = &$crate::Type::Named(<Self as $crate::Table<$life>>::DECLARATION);

            #[inline]
            fn put(&self, writer: &mut $crate::Writer<'_>, at: usize) {
                let table = $crate::Table::append(self, writer);
                writer.point(at, table);
            }

            #[inline]
            fn get(bytes: &$life [u8], at: usize) -> ::core::result::Result<Self, $crate::Invalid> {
                $crate::Fields::behind(bytes, at).and_then(|fields| <Self as $crate::Table<$life>>::from_fields(&fields))
            }
        }

        $crate::required!($life [] $name $($generics)*);
    };
    (@default) => { ::core::default::Default::default() };
    (@default $default:literal) => { $default };
    (@option) => { ::core::option::Option::None };
    (@option $value:literal) => { ::core::option::Option::Some($value) };
}

/// Whether `flatc` understands a literal as Rust writes it.
#[doc(hidden)]
#[must_use]
pub const fn schema_shows(literal: &str) -> bool {
    let mut rest = literal.as_bytes();
    if matches!(rest, b"true" | b"false") {
        return true;
    }
    while let [first, others @ ..] = rest {
        if !matches!(first, b'0'..=b'9' | b'.' | b'-') {
            return false;
        }
        rest = others;
    }
    true
}

/// Whether `flatc` understands it as a namespace: names with points between.
#[doc(hidden)]
#[must_use]
pub const fn is_namespace(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let mut begins = true;
    while let [first, others @ ..] = rest {
        begins = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => false,
            b'0'..=b'9' if !begins => false,
            b'.' if !begins => true,
            _ => return false,
        };
        rest = others;
    }
    !begins
}

/// Whether it can stand between quotes in a schema.
#[doc(hidden)]
#[must_use]
pub const fn is_plain(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        if !matches!(first, b' '..=b'~') || matches!(first, b'"' | b'\\') {
            return false;
        }
        rest = others;
    }
    true
}
