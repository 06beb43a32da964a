//! Values of a fixed size: scalars, and what FlatBuffers calls structs.

use crate::schema::Type;

/// A value that has the same size always, and any bytes of that size are one.
///
/// [`fixed!`](crate::fixed!) makes such types of others.
pub trait Fixed: Copy + Default + PartialEq {
    /// Its bytes.
    const SIZE: usize;
    /// A power of two, 8 at most.
    const ALIGN: usize;
    /// What a schema calls it.
    const TYPE: &'static Type;

    /// Stores it in the first `SIZE` bytes of `room`, with zeros between its fields; nowhere when that is shorter.
    fn store(&self, room: &mut [u8]);

    /// The one in the first `SIZE` bytes of `bytes`; the default when these are fewer.
    fn load(bytes: &[u8]) -> Self;
}

macro_rules! scalars {
    ($($type:ty = $name:literal,)*) => {$(
        impl Fixed for $type {
            const SIZE: usize = size_of::<Self>();
            const ALIGN: usize = size_of::<Self>();
            const TYPE: &'static Type = &Type::Scalar($name);

            #[inline]
            fn store(&self, room: &mut [u8]) {
                if let Some(room) = room.first_chunk_mut() {
                    *room = self.to_le_bytes();
                }
            }

            #[inline]
            fn load(bytes: &[u8]) -> Self {
                bytes.first_chunk().map_or(Self::default(), |bytes| Self::from_le_bytes(*bytes))
            }
        }
    )*};
}

scalars! {
    i8 = "byte",
    u8 = "ubyte",
    i16 = "short",
    u16 = "ushort",
    i32 = "int",
    u32 = "uint",
    i64 = "long",
    u64 = "ulong",
    f32 = "float",
    f64 = "double",
}

/// Every byte but 0 is true.
impl Fixed for bool {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;
    const TYPE: &'static Type = &Type::Scalar("bool");

    #[inline]
    fn store(&self, room: &mut [u8]) {
        u8::from(*self).store(room);
    }

    #[inline]
    fn load(bytes: &[u8]) -> Self {
        u8::load(bytes) != 0
    }
}

/// Describes a FlatBuffers struct: a value of a fixed size, of which no field can ever be added, left out or removed.
///
/// The fields are scalars and other such values; no arrays, because `flatc` refuses them for Go, Kotlin and others. The type has `Clone`, `Copy`, `Debug`, `Default` and
/// `PartialEq`.
///
/// ```
/// edgelog_record::fixed! {
///     /// A place on the globe.
///     pub struct Place in "acme.sensors" {
///         /// Ten millionths of a degree, to the north.
///         pub latitude: i32,
///         /// Ten millionths of a degree, to the east.
///         pub longitude: i32,
///     }
/// }
/// ```
#[macro_export]
macro_rules! fixed {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident in $namespace:literal {
            $($(#[doc = $field_doc:literal])* $field_vis:vis $field:ident: $type:ty),+ $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        $vis struct $name {
            $($(#[doc = $field_doc])* $field_vis $field: $type,)+
        }

        const _: () = assert!($crate::is_namespace($namespace), "a namespace is names with points between");

        impl $crate::Fixed for $name {
            const SIZE: usize = {
                let mut end = 0usize;
                $(end = end.next_multiple_of(<$type as $crate::Fixed>::ALIGN) + <$type as $crate::Fixed>::SIZE;)+
                end.next_multiple_of(Self::ALIGN)
            };
            const ALIGN: usize = {
                let mut widest = 1;
                $(if <$type as $crate::Fixed>::ALIGN > widest {
                    widest = <$type as $crate::Fixed>::ALIGN;
                })+
                widest
            };
            const TYPE: &'static $crate::Type = &$crate::Type::Named(&$crate::Declaration {
                kind: $crate::Kind::Struct,
                namespace: $namespace,
                name: stringify!($name),
                docs: &[$($doc),*],
                identifier: ::core::option::Option::None,
                members: &[$($crate::Member {
                    name: stringify!($field),
                    docs: &[$($field_doc),*],
                    field_type: <$type as $crate::Fixed>::TYPE,
                    need: $crate::Need::Always,
                    default: "",
                }),+],
            });

            #[inline]
            fn store(&self, room: &mut [u8]) {
                let ::core::option::Option::Some(room) = room.get_mut(..<Self as $crate::Fixed>::SIZE) else { return };
                // What is left free between fields must not tell what was in the buffer before.
                room.fill(0);
                let end = 0usize;
                $(
                    let start = end.next_multiple_of(<$type as $crate::Fixed>::ALIGN);
                    let end = start + <$type as $crate::Fixed>::SIZE;
                    if let ::core::option::Option::Some(room) = room.get_mut(start..end) {
                        $crate::Fixed::store(&self.$field, room);
                    }
                )+
                let _ = end;
            }

            #[inline]
            fn load(bytes: &[u8]) -> Self {
                let end = 0usize;
                $(
                    let start = end.next_multiple_of(<$type as $crate::Fixed>::ALIGN);
                    let end = start + <$type as $crate::Fixed>::SIZE;
                    let $field = <$type as $crate::Fixed>::load(bytes.get(start..end).unwrap_or(&[]));
                )+
                let _ = end;
                Self { $($field),+ }
            }
        }

        $crate::required!('a [] $name);
    };
}
