//! Holds lines to the schema of CloudWatch's embedded metric format, and to what its specification says besides.

use serde_json::Value;

/// What is wrong with a line.
pub fn faults(line: &Value) -> Vec<String> {
    let schema = serde_json::from_str(include_str!("emf.schema.json")).unwrap();
    let mut faults = Vec::new();
    check(&schema, line, "line", &mut faults);
    for directive in items(&line["_aws"]["CloudWatchMetrics"]) {
        for name in items(&directive["Dimensions"]).iter().flat_map(items) {
            let value = &line[name.as_str().unwrap_or_default()];
            if value.as_str().is_none_or(|text| text.is_empty() || text.len() > 1024) {
                faults.push(format!("the dimension {name} is {value}"));
            }
        }
        for metric in items(&directive["Metrics"]) {
            let value = &line[metric["Name"].as_str().unwrap_or_default()];
            let numbers = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            if numbers.is_empty() || numbers.len() > 100 || !numbers.iter().all(Value::is_number) {
                faults.push(format!("the metric {metric} is {value}"));
            }
        }
    }
    faults
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// As much of JSON Schema as that schema uses; a keyword of which nothing is known here is a fault.
fn check(schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let mut hold = |holds: bool, keyword: &str, wanted: &Value| {
        if !holds {
            faults.push(format!("{at}: {keyword} is {wanted}, and it is {value}"));
        }
    };
    let (array, text) = (value.as_array().map(Vec::len), value.as_str().map(|text| text.chars().count()));
    for (keyword, wanted) in schema.as_object().unwrap() {
        let at_least = |size: Option<usize>| size.is_none_or(|size| size as u64 >= wanted.as_u64().unwrap());
        let at_most = |size: Option<usize>| size.is_none_or(|size| size as u64 <= wanted.as_u64().unwrap());
        let holds = match &**keyword {
            "type" => match wanted.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_i64() || value.is_u64(),
                _ => false,
            },
            "required" => items(wanted).iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "enum" => items(wanted).contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "minItems" => at_least(array),
            "maxItems" => at_most(array),
            "minLength" => at_least(text),
            "maxLength" => at_most(text),
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                value.as_object().is_none_or(|members| members.keys().all(|name| known.contains_key(name)))
            }
            "$comment" | "properties" | "items" => true,
            _ => false,
        };
        hold(holds, keyword, wanted);
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            check(schema, value, &format!("{at}.{name}"), faults);
        }
    }
    if schema.get("items").is_some() {
        items(value).iter().for_each(|value| check(&schema["items"], value, &format!("{at}[]"), faults));
    }
}

#[test]
fn what_is_wrong_with_a_line_is_found() {
    let good = serde_json::json!({
        "_aws": { "Timestamp": 1, "CloudWatchMetrics": [
            { "Namespace": "n", "Dimensions": [["model"]], "Metrics": [{ "Name": "Rows", "Unit": "Count" }] }
        ] },
        "model": "m", "Rows": 3,
    });
    assert_eq!(faults(&good), [""; 0]);
    let directive = "/_aws/CloudWatchMetrics/0";
    for (place, value) in [
        ("/_aws/Timestamp".to_owned(), serde_json::json!("now")),
        (format!("{directive}/Namespace"), serde_json::json!("")),
        (format!("{directive}/Dimensions"), serde_json::json!([])),
        (format!("{directive}/Dimensions/0/0"), serde_json::json!("row")),
        (format!("{directive}/Metrics/0/Unit"), serde_json::json!("Rows")),
        (format!("{directive}/Metrics/0"), serde_json::json!({ "Name": "Rows", "More": 1 })),
        ("/model".to_owned(), serde_json::json!(5)),
        ("/Rows".to_owned(), serde_json::json!("3")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(&place).unwrap() = value;
        assert_eq!(faults(&bad).len(), 1, "{place}: {:?}", faults(&bad));
    }
}
