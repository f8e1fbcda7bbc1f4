//! What is printed as JSON is what `docs/schema/` says: checked by as much of JSON Schema as those files use.

use serde_json::Value as Json;

use crate::util::{Folder, le_bytes, noise, npy};

/// Where a value departs from a schema, if anywhere.
fn fault(root: &Json, schema: &Json, value: &Json, at: &str) -> Option<String> {
    let known = [
        "$schema",
        "title",
        "description",
        "$defs",
        "$ref",
        "const",
        "enum",
        "anyOf",
        "type",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
    ];
    if let Some(key) = schema.as_object()?.keys().find(|key| !known.contains(&key.as_str())) {
        return Some(format!("{at}: this test does not know the keyword {key}"));
    }
    let wrong = |what: &str| Some(format!("{at}: {value} is not {what}"));
    if let Some(name) = schema["$ref"].as_str() {
        let defined = root.pointer(name.strip_prefix('#').unwrap());
        return defined.map_or_else(|| wrong(name), |defined| fault(root, defined, value, at));
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return wrong(&schema["const"].to_string());
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        return wrong(&schema["enum"].to_string());
    }
    if let Some(any) = schema["anyOf"].as_array()
        && !any.iter().any(|one| fault(root, one, value, at).is_none())
    {
        return wrong(&schema["anyOf"].to_string());
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        // Integers beyond 64 bits are floats to this parser.
        Some("integer") => {
            value.is_u64() || value.is_i64() || value.as_f64().is_some_and(|v| v.fract() == 0.0)
        }
        Some("number") => value.is_number(),
        Some("null") => value.is_null(),
        Some(_) => false,
        None => true,
    };
    if !fits {
        return wrong(&schema["type"].to_string());
    }
    if let Some(missing) = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|key| value.get(key.as_str().unwrap()).is_none())
    {
        return Some(format!("{at}: {missing} is missing"));
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{at}/{key}");
        let found = match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(schema), _) => fault(root, schema, inner, &path),
            (None, Json::Bool(false)) => Some(format!("{path} is not described")),
            (None, Json::Object(_)) => fault(root, &schema["additionalProperties"], inner, &path),
            (None, _) => None,
        };
        if found.is_some() {
            return found;
        }
    }
    let length = value.as_array().map_or(0, Vec::len) as u64;
    if schema["minItems"].as_u64().is_some_and(|n| length < n)
        || schema["maxItems"].as_u64().is_some_and(|n| length > n)
    {
        return wrong("of that length");
    }
    if schema["items"].is_object() {
        let items = value.as_array().into_iter().flatten().enumerate();
        return items
            .filter_map(|(i, item)| fault(root, &schema["items"], item, &format!("{at}/{i}")))
            .next();
    }
    None
}

fn schema(name: &str) -> Json {
    let path = format!("{}/../../docs/schema/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[9, 7, 3], &noise(9 * 7 * 3)));
    folder.write("n.npy", &npy("<f4", &[1, 3], &le_bytes(&[f32::NAN, f32::INFINITY, 1.0], f32::to_le_bytes)));
    folder.write("e.npy", &npy("<u8", &[0, 3, 2], &[]));
    folder.write("u.npy", &npy("<u8", &[2, 2], &[0xff; 32]));
    folder
}

#[test]
fn stats_follow_their_schema() {
    let (folder, schema) = (folder(), schema("stats"));
    let all = ["--moments", "--percentiles", "0.1,50,99.90", "--histogram", "4:0:9", "--covariance"];
    let window = ["--window", "0,0,1,1", "--channels", "1", "--ddof", "1", "--nan", "propagate"];
    for file in ["a.npy", "n.npy", "e.npy", "u.npy"] {
        for more in [&[][..], &all[..], &[&all[..], &["--all-channels"]].concat(), &["--unique"]] {
            if file == "n.npy" && more == ["--unique"] {
                continue;
            }
            let report = folder.json(&[&["stats", "--json", file], more].concat());
            assert_eq!(fault(&schema, &schema, &report, ""), None, "{file} {more:?}");
        }
        if file != "e.npy" {
            let report = folder.json(&[&["stats", "--json", file], &window[..], &all[..]].concat());
            assert_eq!(fault(&schema, &schema, &report, ""), None, "{file}");
        }
    }
}

#[test]
fn reductions_follow_their_schema() {
    let (folder, schema) = (folder(), schema("reduce"));
    for file in ["a.npy", "n.npy", "e.npy", "u.npy"] {
        for (op, over) in
            [("mean", "yx"), ("argmax", "yxc"), ("percentile:12.5", "yx"), ("sum", "yxc"), ("all", "yx")]
        {
            let report = folder.json(&["reduce", op, file, "--over", over, "--json"]);
            assert_eq!(fault(&schema, &schema, &report, ""), None, "{op} {file}");
        }
    }
}

/// The check itself finds what does not fit.
#[test]
fn what_does_not_fit_a_schema_is_found() {
    let schema = schema("stats");
    let good = folder().json(&["stats", "--json", "a.npy", "--percentiles", "5"]);
    let spoilt = |pointer: &str, value: Json| {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        fault(&schema, &schema, &bad, "").is_some()
    };
    assert_eq!(fault(&schema, &schema, &good, ""), None);
    assert!(spoilt("/schema", 2.into()) && spoilt("/channels/0/min", "low".into()));
    assert!(spoilt("/channels/0/count", Json::Null) && spoilt("/channels/0/min_at", vec![1].into()));
    assert!(spoilt("/channels/0/percentiles/5", Json::Bool(true)) && spoilt("/image", Json::Null));
}
