//! What is due (rule A6).

use pca_core::log::Position;
use pca_core::projection::{Due, DueItem};
use serde_json::{Value, json};

use crate::args::{DueArgs, Global};
use crate::exit::{Answer, DONE, Outcome, REFUSED};
use crate::output::{day, harmless, table};
use crate::shop::Shop;

/// `pca due`
pub async fn due(global: &Global, args: DueArgs) -> Outcome {
    let shop = Shop::asking(global).await?;
    let within = args.within.seconds;
    let mut due = Due::of(shop.now, within);
    shop.pca.replay_into(&mut due, Position::MAX).await?;
    let items = due.list(shop.now, within);
    let overdue = items.iter().filter(|item| item.overdue).count();
    let json = items.iter().map(view).collect();
    let mut text = table(["BY", "", "WHAT", "TASK"], items.iter().map(row));
    if items.is_empty() {
        text = "nothing is due".into();
    } else if overdue > 0 {
        text.push_str(&format!("{overdue} of {} are overdue\n", items.len()));
    }
    Ok(Answer::with_code(Value::Array(json), text, if overdue > 0 { REFUSED } else { DONE }))
}

fn view(item: &DueItem) -> Value {
    let mut value = json!(item);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("message".into(), item.task.to_string().into());
    }
    value
}

fn row(item: &DueItem) -> [String; 4] {
    let overdue = if item.overdue { "overdue" } else { "" };
    [day(item.due), overdue.into(), item.task.subject(), harmless(&item.task.to_string())]
}
