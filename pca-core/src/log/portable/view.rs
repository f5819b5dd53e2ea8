//! What people see of a commit beside what is read back: its time, and its payloads as trees of names and values.

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::{Recorded, Tree};

/// Octet strings up to this length are shown; of longer ones only the length is.
const SHOWN: usize = 64;
/// Payloads that are nested more deeply are not shown.
const DEEPEST: usize = 32;

#[derive(Serialize)]
pub(super) struct View {
    time: String,
    events: Vec<Value>,
}

pub(super) fn of(recorded: &Recorded) -> View {
    let events = recorded.commit().events().map(|event| payload(event.payload()).unwrap_or_default()).collect();
    View { time: recorded.seal().time.to_string(), events }
}

fn payload(octets: &[u8]) -> Option<Value> {
    let mut rest = octets;
    let tree = rmpv::decode::read_value_with_max_depth(&mut rest, DEEPEST).ok()?;
    rest.is_empty().then(|| shown(&tree))
}

/// No more deeply nested than the tree, whose depth is bounded.
fn shown(tree: &Tree) -> Value {
    match tree {
        Tree::Nil => Value::Null,
        Tree::Boolean(yes) => (*yes).into(),
        Tree::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, Some(number)) => number.into(),
            _ => Value::Null,
        },
        Tree::F32(number) => f64::from(*number).into(),
        Tree::F64(number) => (*number).into(),
        Tree::String(text) => text.as_str().map_or(Value::Null, Into::into),
        Tree::Binary(octets) if octets.len() <= SHOWN => {
            octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>().into()
        }
        Tree::Binary(octets) | Tree::Ext(_, octets) => format!("({} octets)", octets.len()).into(),
        Tree::Array(items) => items.iter().map(shown).collect::<Vec<_>>().into(),
        Tree::Map(fields) => {
            let name = |name: &Tree| name.as_str().map_or_else(|| name.to_string(), Into::into);
            fields.iter().map(|(key, value)| (name(key), shown(value))).collect::<Map<_, _>>().into()
        }
    }
}
