use serde_json::json;

use crate::Lab;

async fn tagged(tags: &[&str]) -> Lab {
    let lab = Lab::start();
    let (body, _) = lab.image("a/b", tags[0]).await;
    for tag in tags {
        assert_eq!(lab.manifest("a/b", tag, &body).await.status, 201);
    }
    lab
}

/// MUST | Listing Tags | A repository's list answers 200 with its name and its tags
/// MUST | Listing Tags | The tags are in lexical order, whatever their case
/// DIFFERS | disc-tags | The list is sorted
#[tokio::test]
async fn tags_are_listed_in_order() {
    let lab = tagged(&["v2", "b", "A", "V1", "v10", "B", "_x", "0"]).await;
    let answer = lab.get("/v2/a/b/tags/list").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let tags = json!(["0", "_x", "A", "B", "b", "V1", "v10", "v2"]);
    assert_eq!(answer.json(), json!({ "name": "a/b", "tags": tags }));
    assert_eq!(lab.get("/v2/nobody/tags/list").await.refusal(), (404, "NAME_UNKNOWN".into()));
}

/// MAY | Listing Tags | The list may be empty
#[tokio::test]
async fn a_list_may_be_empty() {
    let lab = tagged(&["v1"]).await;
    assert_eq!(lab.send("DELETE", "/v2/a/b/manifests/v1", &[], vec![]).await.status, 202);
    assert_eq!(lab.get("/v2/a/b/tags/list").await.json()["tags"], json!([]));
}

/// MUST | Listing Tags | `n` gives as many tags, fewer only at the end
/// MUST | Listing Tags | A `Link` is as RFC 5988 says, with `rel="next"`
/// DIFFERS | disc-tags-n | `n` is heeded
#[tokio::test]
async fn tags_come_in_pages() {
    let lab = tagged(&["a", "b", "c", "d", "e"]).await;
    let mut path = "/v2/a/b/tags/list?n=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let answer = lab.get(&path).await;
        pages.push(answer.json()["tags"].clone());
        let link = answer.header("link");
        if link.is_empty() {
            break;
        }
        let (target, relation) = link.split_once(';').unwrap();
        assert_eq!(relation.trim(), "rel=\"next\"");
        path = target.trim_matches(['<', '>']).to_owned();
    }
    assert_eq!(pages, [json!(["a", "b"]), json!(["c", "d"]), json!(["e"])]);
    assert_eq!(lab.get("/v2/a/b/tags/list?n=9").await.json()["tags"].as_array().unwrap().len(), 5);
    assert_eq!(lab.get("/v2/a/b/tags/list?n=x").await.status, 400);
}

/// MUST | Listing Tags | `n=0` gives an empty list without a `Link`
/// DIFFERS | disc-tags-n0 | It does
#[tokio::test]
async fn no_tags_are_no_tags() {
    let lab = tagged(&["a", "b"]).await;
    let answer = lab.get("/v2/a/b/tags/list?n=0").await;
    assert_eq!((answer.status, &answer.json()["tags"]), (200, &json!([])));
    assert!(!answer.headers.contains_key("link"));
}

/// MUST | Listing Tags | `last` gives the tags after it, in order, and needs no `n`
/// DIFFERS | disc-tags-last | `last` is heeded, also for a tag that is gone
#[tokio::test]
async fn tags_go_on_after_the_last() {
    let lab = tagged(&["a", "C", "b", "d"]).await;
    let cases = [
        ("last=b", json!(["C", "d"])),
        ("n=1&last=a", json!(["b"])),
        ("last=bb", json!(["C", "d"])),
        ("last=d", json!([])),
    ];
    for (query, tags) in cases {
        assert_eq!(lab.get(&format!("/v2/a/b/tags/list?{query}")).await.json()["tags"], tags, "{query}");
    }
}

/// DIFFERS | disc-catalog | Repositories are listed sorted and in pages
#[tokio::test]
async fn repositories_are_listed() {
    let lab = Lab::start();
    for name in ["b/c", "a", "b"] {
        lab.image(name, "v1").await;
    }
    assert_eq!(lab.get("/v2/_catalog").await.json(), json!({ "repositories": ["a", "b", "b/c"] }));
    let page = lab.get("/v2/_catalog?n=1&last=a").await;
    assert_eq!(page.json()["repositories"], json!(["b"]));
    assert_eq!(page.header("link"), "</v2/_catalog?n=1&last=b>; rel=\"next\"");
}
