//! What a box answers, as a page that a person reads.

use super::schema::{definitions, kind, map};
use serde_json::Value;
use std::fmt::Write;

const LEAD: &str = "# What a box answers

HTTP/1.1 with JSON, over two doors: the socket `/run/ashlar/agent.sock` of the box, and port \
7943 of every address, with mutual TLS 1.3 and a pass that `ashlar site admin` made. `ashlarctl` \
asks through either. Programs may ask too: [the document](openapi.json) is OpenAPI 3.1. This page \
is made from it.

```sh
curl --unix-socket /run/ashlar/agent.sock http://box/v1/status
```

Every path begins with the version of the API. Within it keys are added, and a program must not \
stumble over one that it does not know. What a box does not know is refused in words that say so, \
never left out.
";

/// The page of an OpenAPI document.
pub(super) fn page(document: &Value) -> String {
    let mut out = LEAD.to_owned();
    out.push_str("\n## Requests\n\n| | asked with | answered with | on the box | from elsewhere |\n|---|---|---|---|---|\n");
    for (path, methods) in map(document, "paths") {
        for (method, said) in methods.as_object().into_iter().flatten() {
            let schema = |at: &str| said.pointer(&format!("{at}/content/application~1json/schema"));
            let word = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or("nobody");
            let _ = writeln!(
                out,
                "| `{} {path}`: {} | {} | {} | {} | role `{}` |",
                method.to_uppercase(),
                word("summary"),
                schema("/requestBody").map(kind).unwrap_or_default(),
                schema("/responses/200").map(kind).unwrap_or_default(),
                word("x-here"),
                word("x-role"),
            );
        }
    }
    out.push_str("\n## Refusals\n\nWhatever is not answered with 200 is an [ApiError](#apierror).\n\n| refusal | HTTP |\n|---|---|\n");
    for (refusal, status) in map(document, "x-refusals") {
        let _ = writeln!(out, "| `{refusal}` | {status} |");
    }
    if let Some(components) = document.get("components") {
        definitions(&mut out, map(components, "schemas"));
    }
    out
}
