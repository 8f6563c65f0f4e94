//! The list as a table for people.

use std::fmt;
use std::time::Duration;
use std::time::SystemTime;

use crate::admin::Node;
use crate::admin::NodeList;
use crate::admin::RollOut;
use crate::admin::RollOutState;
use crate::admin::State;
use crate::snapshot::ResourceType;

/// A table with a header, and below it the reason of each rejection and the roll-outs that are not over.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// The table of these nodes, with ages as of `now`.
    pub(super) fn new(list: &NodeList, now: SystemTime) -> Self {
        let types = ResourceType::ALL.map(|ty| ty.short_name().to_uppercase());
        let header = [&["NODE", "STATE"].map(str::to_owned), &types[..]].concat();
        let rest = ["VARIANT", "CLIENT", "PEER", "CONNECTED"].map(str::to_owned);
        let mut rows = vec![[header, rest.to_vec()].concat()];
        rows.extend(list.nodes.iter().map(|node| row(node, now)));
        let rejections = list.nodes.iter().flat_map(|node| rejections(node, now));
        let rollouts = list.rollouts.iter().map(rollout);
        Self {
            rows,
            notes: rejections.chain(rollouts).collect(),
        }
    }
}

fn row(node: &Node, now: SystemTime) -> Vec<String> {
    let types = ResourceType::ALL.map(|ty| {
        let state = node.types.get(ty.short_name()).map(|known| known.state);
        state.map_or("-", word).to_owned()
    });
    let client = format!("{} {}", node.user_agent, node.user_agent_version);
    let mut row = vec![visible(&node.id), word(node.state).to_owned()];
    row.extend(types);
    row.push(visible(&node.variant));
    row.push(visible(client.trim()));
    row.push(node.peer.as_deref().map_or_else(String::new, visible));
    row.push(age(&node.connected_since, now));
    for cell in &mut row {
        if cell.is_empty() {
            cell.push('-');
        }
    }
    row
}

fn rejections(node: &Node, now: SystemTime) -> Vec<String> {
    let rejected = node
        .types
        .iter()
        .filter(|(_, ty)| ty.state == State::Rejected);
    rejected
        .filter_map(|(ty, state)| {
            let nacked = state.nacked.as_ref()?;
            Some(format!(
                "{}: {} {} rejected {} ago: {}",
                visible(&node.id),
                visible(ty),
                visible(&nacked.version),
                age(&nacked.time, now),
                visible(nacked.message.trim()),
            ))
        })
        .collect()
}

fn rollout(rollout: &RollOut) -> String {
    let changes = rollout.changes.iter();
    let changes: Vec<String> = changes
        .map(|(ty, name)| format!("{} {}", visible(ty), visible(name)))
        .collect();
    let canaries: Vec<String> = rollout.canaries.iter().map(|id| visible(id)).collect();
    let text = format!(
        "roll-out of {} to {} sidecars of {}: ",
        changes.join(", "),
        rollout.sidecars,
        visible(&rollout.group),
    );
    let canaries = canaries.join(", ");
    let state = match rollout.state {
        RollOutState::Trying => format!("{canaries} first, the others wait"),
        RollOutState::Rejected => {
            let rejections = rollout.rejections.iter().map(|(node, ty, why)| {
                let [node, ty, why] = [node, ty, why].map(|text| visible(text.trim()));
                format!("{node} rejected {ty}: {why}")
            });
            format!("stopped, {}", rejections.collect::<Vec<_>>().join("; "))
        }
        RollOutState::Lost => format!("stopped, {canaries} disconnected instead of answering"),
    };
    text + &state
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            if index > 0 {
                writeln!(f)?;
            }
            f.write_str(line.join("  ").trim_end())?;
        }
        for note in &self.notes {
            write!(f, "\n{note}")?;
        }
        Ok(())
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::InSync => "in sync",
        State::Pending => "pending",
        State::Rejected => "rejected",
    }
}

/// A text that a sidecar chose, without what would steer the terminal.
fn visible(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// How long ago a time of RFC 3339 was, in its largest unit; empty if it is none. The control plane's clock may be ahead.
fn age(time: &str, now: SystemTime) -> String {
    let time = time.parse::<prost_types::Timestamp>().ok();
    let Some(time) = time.and_then(|time| SystemTime::try_from(time).ok()) else {
        return String::new();
    };
    let seconds = now.duration_since(time).unwrap_or(Duration::ZERO).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::UNIX_EPOCH;

    use super::Table;
    use super::age;
    use crate::admin::Node;
    use crate::admin::NodeList;
    use crate::admin::Rejected;
    use crate::admin::State;
    use crate::admin::TypeState;

    #[test]
    fn ages_are_given_in_their_largest_unit() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (86_400 * 3 + 5, "3d"),
        ] {
            let now = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(age("1970-01-01T00:00:00Z", now), expected);
        }
        assert_eq!(age("2999-01-01T00:00:00Z", UNIX_EPOCH), "0s");
        assert_eq!(age("yesterday", UNIX_EPOCH), "");
    }

    #[test]
    fn a_rejection_is_explained_and_cannot_steer_the_terminal() {
        let rejected = TypeState {
            state: State::Rejected,
            sent: None,
            acked: None,
            nacked: Some(Rejected {
                version: "v1".to_owned(),
                time: "1970-01-01T00:00:00Z".to_owned(),
                message: "no\u{1b}[2J\nroute\n".to_owned(),
            }),
        };
        let list = NodeList {
            generation: 1,
            rollouts: Vec::new(),
            nodes: vec![Node {
                id: "curl/curl".to_owned(),
                state: State::Rejected,
                group: None,
                peer: None,
                variant: "delta".to_owned(),
                user_agent: "envoy".to_owned(),
                user_agent_version: "1.40.0".to_owned(),
                connected_since: "1970-01-01T00:00:00Z".to_owned(),
                types: [("rds".to_owned(), rejected)].into(),
            }],
        };
        let table = Table::new(&list, UNIX_EPOCH + Duration::from_secs(5)).to_string();
        let expected = "\
NODE       STATE     CDS  EDS  LDS  RDS       RTDS  VARIANT  CLIENT        PEER  CONNECTED
curl/curl  rejected  -    -    -    rejected  -     delta    envoy 1.40.0  -     5s
curl/curl: rds v1 rejected 5s ago: no\u{fffd}[2J\u{fffd}route";
        assert_eq!(table, expected);
    }
}
