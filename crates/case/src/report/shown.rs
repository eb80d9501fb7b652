//! The case as JSON for the page: each event is a number in the table of events, and texts are safe to show.
//!
//! An event is recognised by its type, whose name serde passes on with each struct, and not by its keys: a field of a
//! finding may hold an object with the same ones. A walk over the typed document would have to know all its parts, and
//! would silently pass over a new one.

use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};
use serde_json::{Error, Map, Value, to_value};

use super::{Events, MOST_TEXT, text};

/// The name that serde has for [`crate::document::Reference`].
const REFERENCE: &str = "Reference";

/// A value as the page shows it. New events are added to the table in the order in which they are met.
pub(super) fn shown(
    value: &(impl Serialize + ?Sized),
    events: &mut Events,
) -> Result<Value, Error> {
    value.serialize(Shown { events })
}

struct Shown<'e> {
    events: &'e mut Events,
}

/// A list in the making.
struct List<'e> {
    events: &'e mut Events,
    items: Vec<Value>,
    /// Of an enum, if it is the content of one.
    variant: Option<&'static str>,
}

/// An object in the making.
struct Object<'e> {
    events: &'e mut Events,
    entries: Map<String, Value>,
    /// The key whose value comes next.
    key: String,
    /// Of an enum, if it is the content of one.
    variant: Option<&'static str>,
    /// Whether it is an event, which the table holds as it is.
    event: bool,
}

fn of_variant(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Object(Map::from_iter([(variant.to_owned(), value)])),
        None => value,
    }
}

impl<'e> Shown<'e> {
    fn list(self, variant: Option<&'static str>) -> List<'e> {
        List {
            events: self.events,
            items: Vec::new(),
            variant,
        }
    }

    fn object(self, variant: Option<&'static str>, event: bool) -> Object<'e> {
        Object {
            events: self.events,
            entries: Map::new(),
            key: String::new(),
            variant,
            event,
        }
    }
}

impl List<'_> {
    fn push(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.items.push(shown(value, self.events)?);
        Ok(())
    }

    fn finish(self) -> Value {
        of_variant(self.variant, self.items.into())
    }
}

impl Object<'_> {
    fn insert(&mut self, key: String, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let value = match self.event {
            true => to_value(value)?,
            false => shown(value, self.events)?,
        };
        self.entries.insert(key, value);
        Ok(())
    }

    fn finish(self) -> Result<Value, Error> {
        let value = Value::Object(self.entries);
        if self.event {
            let event = serde_json::from_value(value)?;
            return Ok(self.events.index(event).into());
        }
        Ok(of_variant(self.variant, value))
    }
}

macro_rules! plain {
    ($($method:ident: $type:ty,)*) => {
        $(
            fn $method(self, value: $type) -> Result<Value, Error> {
                to_value(value)
            }
        )*
    };
}

impl<'e> Serializer for Shown<'e> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = List<'e>;
    type SerializeTuple = List<'e>;
    type SerializeTupleStruct = List<'e>;
    type SerializeTupleVariant = List<'e>;
    type SerializeMap = Object<'e>;
    type SerializeStruct = Object<'e>;
    type SerializeStructVariant = Object<'e>;

    plain! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_bytes: &[u8],
    }

    fn serialize_char(self, value: char) -> Result<Value, Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Value, Error> {
        let changed = text::changed(value, MOST_TEXT);
        Ok(Value::String(changed.unwrap_or_else(|| value.to_owned())))
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        Ok(of_variant(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'e>, Error> {
        Ok(self.list(None))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'e>, Error> {
        Ok(self.list(None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'e>, Error> {
        Ok(self.list(None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'e>, Error> {
        Ok(self.list(Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'e>, Error> {
        Ok(self.object(None, false))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Object<'e>, Error> {
        Ok(self.object(None, name == REFERENCE))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'e>, Error> {
        Ok(self.object(Some(variant), false))
    }
}

macro_rules! list {
    ($($trait:ident::$method:ident,)*) => {
        $(
            impl $trait for List<'_> {
                type Ok = Value;
                type Error = Error;

                fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                    self.push(value)
                }

                fn end(self) -> Result<Value, Error> {
                    Ok(self.finish())
                }
            }
        )*
    };
}

list! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! object {
    ($($trait:ident,)*) => {
        $(
            impl $trait for Object<'_> {
                type Ok = Value;
                type Error = Error;

                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    key: &'static str,
                    value: &T,
                ) -> Result<(), Error> {
                    self.insert(key.to_owned(), value)
                }

                fn end(self) -> Result<Value, Error> {
                    self.finish()
                }
            }
        )*
    };
}

object! {
    SerializeStruct,
    SerializeStructVariant,
}

impl SerializeMap for Object<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = match to_value(key)? {
            Value::String(key) => key,
            Value::Number(key) => key.to_string(),
            _ => return Err(Error::custom("a key must be a string")),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = std::mem::take(&mut self.key);
        self.insert(key, value)
    }

    fn end(self) -> Result<Value, Error> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::Reference;

    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    enum Part {
        None,
        One(Reference),
        Two(u8, Reference),
        Named { event: Reference },
    }

    fn event(record: u64) -> Reference {
        Reference {
            source: 0,
            record,
            time: None,
            channel: "Security".to_owned(),
            event_id: 4624,
            host: "SRV1".to_owned(),
        }
    }

    #[test]
    fn events_become_numbers_wherever_they_are() -> Result<(), Error> {
        let parts = [
            Part::None,
            Part::One(event(7)),
            Part::Two(3, event(8)),
            Part::Named { event: event(7) },
        ];
        let mut events = Events::default();
        assert_eq!(
            shown(&parts, &mut events)?,
            json!(["none", {"one": 0}, {"two": [3, 1]}, {"named": {"event": 0}}])
        );
        assert_eq!(events.all, [event(7), event(8)]);
        Ok(())
    }

    #[test]
    fn an_object_with_the_keys_of_an_event_is_none() -> Result<(), Error> {
        let field = to_value(event(7))?;
        let mut events = Events::default();
        assert_eq!(shown(&field, &mut events)?, field);
        assert!(events.all.is_empty());
        Ok(())
    }

    #[test]
    fn other_values_are_as_serde_json_writes_them() -> Result<(), Error> {
        let value = json!({"a": [1, -2, 0.5, true, null], "b": {"c": "text"}, "d": u64::MAX});
        let (typed, mut events) = ((1_u8, 'c', Some(0.1_f32), ()), Events::default());
        assert_eq!(shown(&value, &mut events)?, value);
        assert_eq!(shown(&typed, &mut events)?, to_value(typed)?);
        Ok(())
    }
}
