//! Which versions the broker offers.

use super::error_code;
use crate::ErrorCode;
use crate::wire::{Api, Malformed, Sink, Value, id};

/// The ApiVersions response.
#[derive(Clone, Debug, Default)]
pub struct ApiVersions {
    /// The broker's error.
    pub error: ErrorCode,
    key: i64,
    min: i64,
    offers: [Option<Offer>; Api::ALL.len()],
}

/// The versions of one API that a broker offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Lowest version.
    pub min: i16,
    /// Greatest version.
    pub max: i16,
}

impl ApiVersions {
    /// What the broker offers of `api`; `None` when it does not know it.
    #[must_use]
    pub fn offer(&self, api: Api) -> Option<Offer> {
        Api::ALL.iter().zip(self.offers).find(|(known, _)| **known == api)?.1
    }

    /// Whether the broker speaks the version of `api` that this crate speaks.
    #[must_use]
    pub fn speaks(&self, api: Api) -> bool {
        self.offer(api).is_some_and(|offer| (offer.min..=offer.max).contains(&api.version()))
    }
}

impl Sink for ApiVersions {
    fn field(&mut self, id: u8, value: Value<'_>) -> Result<(), Malformed> {
        match (id, value) {
            (id::ERROR, Value::Int(code)) => self.error = error_code(code)?,
            (id::API_KEY, Value::Int(key)) => self.key = key,
            (id::API_MIN, Value::Int(min)) => self.min = min,
            (id::API_MAX, Value::Int(max)) => {
                let (min, max) = (super::narrow(self.min)?, super::narrow(max)?);
                for (api, offer) in Api::ALL.iter().zip(&mut self.offers) {
                    if i64::from(api.key()) == self.key {
                        *offer = Some(Offer { min, max });
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
