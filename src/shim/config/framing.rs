//! The one early header mutation that is supported: it notes how the body of a request is delimited.

use envoy_types::pb::envoy::config::common::mutation_rules::v3::header_mutation::Action;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValueOption, TypedExtensionConfig};
use envoy_types::pb::envoy::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation;
use http::HeaderName;
use prost::{Message, Name};

use super::mutation;
use super::rejection::only;
use super::{Rejection, Within};

/// What the header says; [`framing`](crate::shim::framing) writes it.
const FORMAT: &str = "%PROTOCOL%;%REQ(TRANSFER-ENCODING)%";

/// The header that the extensions set, if there are any.
pub(super) fn header(extensions: &[TypedExtensionConfig]) -> Result<Option<HeaderName>, Rejection> {
    let path = "early_header_mutation_extensions";
    match extensions {
        [] => Ok(None),
        [extension] => of_extension(extension)
            .within(format!("{path}[0].typed_config"))
            .map(Some),
        _ => Err(Rejection::new(path, "must have at most one item")),
    }
}

fn of_extension(extension: &TypedExtensionConfig) -> Result<HeaderName, Rejection> {
    let config = extension
        .typed_config
        .as_ref()
        .filter(|any| any.type_url == HeaderMutation::type_url())
        .ok_or_else(|| Rejection::new("", "must be a HeaderMutation"))?;
    let config = HeaderMutation::decode(config.value.as_slice())
        .map_err(|error| Rejection::new("", format!("cannot be decoded: {error}")))?;
    let [mutation] = config.mutations.as_slice() else {
        return Err(Rejection::new("mutations", "must have exactly one item"));
    };
    match &mutation.action {
        Some(Action::Append(option)) => of_option(option).within("mutations[0].append"),
        _ => Err(Rejection::new("mutations[0]", "must have `append`")),
    }
}

fn of_option(option: &HeaderValueOption) -> Result<HeaderName, Rejection> {
    let Some(pair) = &option.header else {
        return Err(Rejection::new("header", "is missing"));
    };
    only(
        option.append_action() == HeaderAppendAction::OverwriteIfExistsOrAdd,
        "append_action",
        "must be OVERWRITE_IF_EXISTS_OR_ADD",
    )?;
    only(
        pair.value == FORMAT,
        "header.value",
        &format!("must be `{FORMAT}`"),
    )?;
    mutation::name("header.key", &pair.key)
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::common::mutation_rules::v3 as rules;
    use envoy_types::pb::envoy::config::core::v3::HeaderValue;
    use envoy_types::pb::google::protobuf::Any;

    use super::*;

    fn extension(actions: Vec<Action>) -> TypedExtensionConfig {
        let mutations = actions
            .into_iter()
            .map(|action| rules::HeaderMutation {
                action: Some(action),
            })
            .collect();
        TypedExtensionConfig {
            typed_config: Some(Any {
                type_url: HeaderMutation::type_url(),
                value: HeaderMutation { mutations }.encode_to_vec(),
            }),
            ..Default::default()
        }
    }

    fn set(key: &str, value: &str, action: HeaderAppendAction) -> Action {
        Action::Append(HeaderValueOption {
            header: Some(HeaderValue {
                key: key.into(),
                value: value.into(),
                ..Default::default()
            }),
            append_action: action.into(),
            ..Default::default()
        })
    }

    #[test]
    fn only_the_note_of_the_framing_is_accepted() {
        use HeaderAppendAction::{AddIfAbsent, OverwriteIfExistsOrAdd};
        let note = || set("x-framing", FORMAT, OverwriteIfExistsOrAdd);
        assert_eq!(header(&[]).unwrap(), None);
        let found = header(&[extension(vec![note()])]).unwrap();
        assert_eq!(found.unwrap(), "x-framing");

        let place = "early_header_mutation_extensions[0].typed_config";
        for (extensions, expected) in [
            (
                vec![extension(vec![]), extension(vec![])],
                "early_header_mutation_extensions must have at most one item".to_owned(),
            ),
            (
                vec![TypedExtensionConfig::default()],
                format!("{place} must be a HeaderMutation"),
            ),
            (
                vec![extension(vec![note(), note()])],
                format!("{place}.mutations must have exactly one item"),
            ),
            (
                vec![extension(vec![Action::Remove("x".into())])],
                format!("{place}.mutations[0] must have `append`"),
            ),
            (
                vec![extension(vec![set("x", FORMAT, AddIfAbsent)])],
                format!("{place}.mutations[0].append.append_action must be OVERWRITE"),
            ),
            (
                vec![extension(vec![set("x", "1", OverwriteIfExistsOrAdd)])],
                format!("{place}.mutations[0].append.header.value must be `{FORMAT}`"),
            ),
            (
                vec![extension(vec![set("host", FORMAT, OverwriteIfExistsOrAdd)])],
                format!("{place}.mutations[0].append.header.key `host`"),
            ),
        ] {
            let text = header(&extensions).unwrap_err().to_string();
            assert!(text.starts_with(&expected), "{text}");
        }
    }
}
