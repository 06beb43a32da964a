//! When a field is stored, and what it is when it was not.

use crate::fixed::Fixed;
use crate::reader::{Fields, Invalid};
use crate::value::{Nested, Value};
use crate::vector::Vector;
use core::marker::PhantomData;

/// The type of a field in a struct of [`table!`](crate::table!): it says what is stored and what it means when nothing is.
///
/// - A scalar is left out when it equals its default, 0 if no other is given, and is the default when it was left out.
/// - `Option` of any [`Value`] is left out when it is `None`.
/// - `&str`, `&[u8]`, [`Nested`], [`Vector`], fixed structs and tables are always stored, and reading fails without them.
/// - [`Deprecated`] is never stored and never looked at.
pub trait Field<'a>: Copy {
    /// What is stored.
    type Value: Value<'a>;
    /// When it is.
    const NEED: Need;

    /// What is to be stored of it.
    fn to_store(&self, default: &Self) -> Option<Self::Value>;

    /// Verifies it in `fields`, and gives it.
    ///
    /// # Errors
    ///
    /// What is stored is not one, or nothing is stored and there should be.
    fn load(
        fields: &Fields<'a>,
        id: usize,
        default: Self,
        name: &'static str,
    ) -> Result<Self, Invalid>;
}

/// When a field is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// When it is not its default.
    Default,
    /// When it is there.
    Optional,
    /// Always.
    Always,
    /// Never again.
    Deprecated,
}

impl<'a, V: Value<'a>> Field<'a> for Option<V> {
    type Value = V;
    const NEED: Need = Need::Optional;

    #[inline]
    fn to_store(&self, _: &Self) -> Self {
        *self
    }

    #[inline]
    fn load(fields: &Fields<'a>, id: usize, _: Self, _: &'static str) -> Result<Self, Invalid> {
        fields.get(id)
    }
}

/// A field that is no longer written or read. It keeps its id, which is never used for anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deprecated<V>(PhantomData<V>);

impl<'a, V: Value<'a>> Field<'a> for Deprecated<V> {
    type Value = V;
    const NEED: Need = Need::Deprecated;

    #[inline]
    fn to_store(&self, _: &Self) -> Option<V> {
        None
    }

    #[inline]
    fn load(_: &Fields<'a>, _: usize, gone: Self, _: &'static str) -> Result<Self, Invalid> {
        Ok(gone)
    }
}

macro_rules! defaulted {
    ($($type:ty)*) => {$(
        impl Field<'_> for $type {
            type Value = Self;
            const NEED: Need = Need::Default;

            #[inline]
            fn to_store(&self, default: &Self) -> Option<Self> {
                (!same(self, default)).then_some(*self)
            }

            #[inline]
            fn load(
                fields: &Fields<'_>,
                id: usize,
                default: Self,
                _: &'static str,
            ) -> Result<Self, Invalid> {
                Ok(fields.get(id)?.unwrap_or(default))
            }
        }
    )*};
}

defaulted!(bool i8 u8 i16 u16 i32 u32 i64 u64 f32 f64);

/// Bytes are compared: -0.0 equals 0.0 and is another number.
#[inline]
fn same<T: Fixed>(one: &T, other: &T) -> bool {
    let bytes = |value: &T| {
        let mut bytes = [0; 8];
        value.store(&mut bytes);
        bytes
    };
    bytes(one) == bytes(other)
}

/// Makes a type a field that is always there: its lifetime, its other generics, itself.
#[doc(hidden)]
#[macro_export]
macro_rules! required {
    ($life:lifetime [$($generics:tt)*] $type:ty) => {
        impl<$life, $($generics)*> $crate::Field<$life> for $type {
            type Value = Self;
            const NEED: $crate::Need = $crate::Need::Always;

            #[inline]
            fn to_store(&self, _: &Self) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(*self)
            }

            #[inline]
            fn load(
                fields: &$crate::Fields<$life>,
                id: usize,
                _: Self,
                name: &'static str,
            ) -> ::core::result::Result<Self, $crate::Invalid> {
                fields.get(id)?.ok_or($crate::Invalid::Missing(name))
            }
        }
    };
}

required!('a [] &'a str);
required!('a [] &'a [u8]);
required!('a [] Nested<'a>);
required!('a [T: Fixed] Vector<'a, T>);
