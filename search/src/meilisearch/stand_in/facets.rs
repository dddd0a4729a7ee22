//! Counting values, and orders other than the best first.

use std::{cmp::Ordering, collections::BTreeMap};

use serde_json::{Value, json};

use super::{
    Failed, Object,
    index::{Document, Index},
};

/// The order that a query asks for: fields, and whether the largest comes first.
pub(super) struct Sort(Vec<(String, bool)>);

impl Sort {
    /// Orders what is in the order of its score: only among what `of` says counts the same before.
    pub(super) fn apply<T>(&self, found: &mut [T], of: impl Fn(&T) -> (&Object, f64)) {
        if self.0.is_empty() {
            return;
        }
        found.sort_by(|a, b| {
            let ((a, before_a), (b, before_b)) = (of(a), of(b));
            let by_fields = self.0.iter().fold(Ordering::Equal, |order, (field, down)| {
                order.then_with(|| compare(a.get(field), b.get(field), *down))
            });
            before_b.total_cmp(&before_a).then(by_fields)
        });
    }
}

/// What has no value comes last in both directions.
fn compare(a: Option<&Value>, b: Option<&Value>, down: bool) -> Ordering {
    match (a.and_then(Value::as_f64), b.and_then(Value::as_f64)) {
        (Some(a), Some(b)) if down => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

impl Index {
    pub(super) fn sort(&self, uid: &str, asked: &Value) -> Result<Sort, Failed> {
        let allowed = self.names("sortableAttributes");
        let mut fields = Vec::new();
        for one in asked.as_array().into_iter().flatten() {
            let (field, direction) = one.as_str().unwrap().split_once(':').unwrap();
            if !allowed.contains(&field.to_owned()) {
                let message = format!(
                    "Index `{uid}`: Attribute `{field}` is not sortable. Available sortable attributes are: {}.",
                    listed(&allowed)
                );
                return Err(Failed::new("invalid_search_sort", message));
            }
            fields.push((field.to_owned(), direction == "desc"));
        }
        Ok(Sort(fields))
    }

    /// How many documents have which values of the fields, and the range of those that are numbers.
    pub(super) fn facets(
        &self,
        uid: &str,
        fields: &[Value],
        documents: &[&Document],
    ) -> Result<(Value, Value), Failed> {
        let allowed = self.names("filterableAttributes");
        let faceting = self.settings.get("faceting");
        let most = faceting.and_then(|own| own["maxValuesPerFacet"].as_u64());
        let (mut distribution, mut stats) = (Object::new(), Object::new());
        for field in fields.iter().filter_map(Value::as_str) {
            let is_within = |name: &String| {
                let rest = field.strip_prefix(name.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            if !allowed.iter().any(is_within) {
                let message = format!(
                    "Index `{uid}`: Invalid facet distribution: Attribute `{field}` is not filterable. Available \
                     filterable attributes patterns are: {}.",
                    listed(&allowed)
                );
                return Err(Failed::new("invalid_search_facets", message));
            }
            // By the value whatever its case: how it is written first, and how many have it.
            let mut values: BTreeMap<String, (String, usize)> = BTreeMap::new();
            let mut numbers: Vec<f64> = Vec::new();
            for document in documents {
                for value in values_at(&document.fields, field) {
                    numbers.extend(value.as_f64());
                    let written = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    let counted = values.entry(written.to_lowercase()).or_insert((written, 0));
                    counted.1 += 1;
                }
            }
            let mut values: Vec<(String, usize)> = values.into_values().collect();
            values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            values.truncate(most.unwrap_or(100) as usize);
            let values = values
                .into_iter()
                .map(|(value, count)| (value, json!(count)));
            distribution.insert(field.to_owned(), Value::Object(values.collect()));
            if !numbers.is_empty() {
                let lowest = numbers.iter().copied().fold(f64::INFINITY, f64::min);
                let highest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                stats.insert(field.to_owned(), json!({ "min": lowest, "max": highest }));
            }
        }
        Ok((Value::Object(distribution), Value::Object(stats)))
    }

    /// The names in a setting.
    fn names(&self, setting: &str) -> Vec<String> {
        let names = self.settings.get(setting).and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    }
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The values of a field, whose name may lead into an object: `attributes.colour`.
fn values_at<'a>(fields: &'a Object, path: &str) -> Vec<&'a Value> {
    let mut parts = path.split('.');
    let first = parts.next().and_then(|name| fields.get(name));
    match parts.fold(first, |value, name| value?.get(name)) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(several)) => several.iter().collect(),
        Some(one) => vec![one],
    }
}
