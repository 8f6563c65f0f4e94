//! The faults: what is put where, which row of `tests/conformance/README.md` that breaks, and the tests that have to
//! find it.

/// A fault.
#[derive(Debug)]
pub(crate) struct Fault {
    /// What is wrong with the server then.
    pub(crate) name: &'static str,
    /// The row that is broken.
    pub(crate) row: &'static str,
    /// The file, from the root of the tree.
    pub(crate) file: &'static str,
    /// What is there, exactly once.
    pub(crate) text: &'static str,
    /// What it becomes.
    pub(crate) becomes: &'static str,
    /// Which tests of `tests/conformance` find it: a part of their names.
    pub(crate) caught_by: &'static str,
}

/// A fault: its name, its row, the file, what is there, what it becomes, and what finds it.
macro_rules! faults {
    ($($name:literal, $row:literal, $file:literal, $text:literal => $becomes:literal, $caught_by:literal;)*) => {
        &[$(Fault {
            name: $name,
            row: $row,
            file: concat!("src/server/", $file, ".rs"),
            text: $text,
            becomes: $becomes,
            caught_by: $caught_by,
        }),*]
    };
}

/// All of them.
pub(crate) const FAULTS: &[Fault] = faults! {
    "a stale nonce is answered", "B5", "sotw",
        "            return Outcome::Stale(ty);"
        => "            self.session.answered(ty, last, request.error_detail)",
        "reconnect::b05";
    "a request on its way is taken for stale", "B6", "sotw",
        "} else if request.response_nonce.is_empty() {"
        => "} else if request.response_nonce.is_empty() && first {",
        "reconnect::b06";
    "a nonce outlives its stream", "B7", "sotw",
        "let outcome = if last == 0 {"
        => "let outcome = if last == 0 && request.response_nonce.is_empty() {",
        "reconnect::b07";
    "any version is taken for the current one", "B8", "sotw",
        "        && announced == version_of(ty, &wanted).as_str()\n"
        => "",
        "reconnect::b08";
    "a version is taken as proof for names", "B8", "sotw",
        "        && full\n        && substream.subscription.is_wildcard()\n        && substream.subscription.names().is_empty()\n"
        => "",
        "reconnect::b08";
    "a full state holds only what changed", "B16", "sotw",
        "full || changed.contains(name) || substream.awaits(name)"
        => "changed.contains(name) || substream.awaits(name)",
        "sotw::b16_b17";
    "all routes are sent for the sake of one", "B19", "sotw",
        "full || changed.contains(name) || substream.awaits(name)"
        => "full || !name.is_empty() || !changed.is_empty()",
        "sotw::b19_of";
    "what is not accepted yet is left out", "B19", "sotw",
        "full || changed.contains(name) || substream.awaits(name)"
        => "full || changed.contains(name)",
        "sotw::b19_what";
    "a version belongs to the stream", "B4", "sotw",
        "version.unwrap_or_else(|| version_of(ty, &wanted))"
        => "version.unwrap_or_else(|| Version::of(&substream.last_nonce().to_be_bytes()))",
        "sotw::b04";
    "a version is of names alone", "B4", "sotw",
        "        text.push_str(resource.version.as_str());\n"
        => "",
        "sotw::b04";
    "the last deletion is not told", "B17", "sotw",
        "let gone = if full {"
        => "let gone = if full && !wanted.is_empty() {",
        "sotw::b16_b17";
    "a deleted route is told", "B20", "sotw",
        "let gone = if full {"
        => "let gone = if full || !wanted.is_empty() {",
        "sotw::b20";
    "a deleted route is remembered", "B20", "sotw",
        "        substream.forget_gone(view);\n"
        => "",
        "sotw::b20";
    "a missing cluster is met with silence", "B22", "sotw",
        "if everything || grew && ty.is_full_state() {"
        => "if everything {",
        "sotw::b22";
    "a missing route is answered with nothing", "B22", "sotw",
        "if everything || grew && ty.is_full_state() {"
        => "if everything || grew {",
        "sotw::b22";
    "what is left out was not told", "B11", "sotw",
        "if full { substream.left_out(view) } else { gone }"
        => "gone",
        "nack::b11_an_absence";
    "locators are not names", "G1", "sotw",
        "subscription.replace(names.chain(locators))"
        => "subscription.replace(names.chain(locators.take(0)))",
        "not_offered::g01";
    "an unknown type ends the stream", "A5", "sotw",
        "            return Outcome::UnknownType;"
        => r#"            panic!("{}", request.type_url);"#,
        "stream::a05";
    "a stale nonce hides a subscription", "C16", "delta",
        "            _ => Outcome::Subscribed,"
        => "            _ if first || request.response_nonce.is_empty() => Outcome::Subscribed,\n            _ => return Outcome::Subscribed,",
        "delta::c16";
    "what a client has is not looked at", "C19", "delta",
        "            substream.resume(announced);"
        => "            drop(announced);",
        "reconnect::c19";
    "versions that a client has are not compared", "C19", "delta",
        "same.then_some(&resource.version)"
        => "Some(&resource.version).filter(|_| same || !version.is_empty())",
        "reconnect::c19";
    "what went while a client was away is not told", "C19", "delta",
        "None => substream.assume(&Arc::from(name), None),"
        => "None => {}",
        "reconnect::c19";
    "what a client has is a subscription", "C21", "delta",
        "let subscribe = request.resource_names_subscribe.iter();"
        => "let subscribe = request.resource_names_subscribe.iter();\n        let subscribe = subscribe.chain(request.initial_resource_versions.keys());",
        "reconnect::c21";
    "what a client has counts in every request", "C21", "delta",
        "if first && !request"
        => "if !request",
        "reconnect::c21";
    "a missing name is not told", "C3", "delta",
        "    removed.extend(substream.missing(view));\n"
        => "",
        "delta::c03";
    "an empty wildcard is not answered", "C23", "delta",
        "} else if everything {"
        => "} else if everything && !first {",
        "wildcard::c23";
    "names of an unknown type are not answered", "A5", "delta",
        "            self.on_unknown_type(request);"
        => "            drop(request);",
        "delta::a05";
    "a nonce is used again", "A9", "session",
        "let nonce = self.nonce + 1;"
        => "let nonce = self.nonce.max(1);",
        "stream::a08_a09";
    "an error is not looked at", "B11", "session",
        "let Some(error) = error else {"
        => "let Some(error) = error.filter(|error| error.code < 0) else {",
        "nack::b10";
    "routes do not wait for clusters", "D2", "session",
        "let gated = self.gate(now).is_some();"
        => "let gated = self.gate(now).is_some() && self.nonce == 0;",
        "order::d02";
    "routes wait without end", "D10", "session",
        ".map(|since| since + PATIENCE)"
        => ".map(|since| since + PATIENCE * 1_000)",
        "order::d10_silence_about_clusters";
    "a cluster goes before its route is accepted", "D2", "session",
        ".all(|substream| substream.is_settled(view))\n"
        => ".all(|substream| substream.is_settled(view) || substream.is_live())\n",
        "order::d02";
    "endpoints are not sent again", "D5", "session",
        "                        endpoints.owe(name);\n"
        => "                        endpoints.look_again();\n",
        "order::d05";
    "routes do not wait for endpoints", "D2", "session",
        "                    self.warming.insert(Arc::clone(name), now);\n"
        => "",
        "order::d02";
    "a route does not follow its listener", "D9", "session",
        "                    routes.owe_all();\n"
        => "                    routes.look_again();\n",
        "order::d09";
    "types are sent in the wrong order", "D1", "session",
        "for (ty, substream) in &mut self.substreams {\n            if !sub"
        => "for (ty, substream) in self.substreams.iter_mut().rev() {\n            if !sub",
        "order::d01";
    "what was rejected is sent at once again", "B10", "substream",
        "if names.len() < size {"
        => "if names.len() <= size {",
        "nack::b10";
    "what was rejected incrementally is sent at once again", "C18", "substream",
        "if names.len() < size {"
        => "if names.len() <= size {",
        "nack::c18";
    "what was rejected with another is lost", "C18", "substream",
        "!known.is(Some(resource)) || retry && known.standing == Standing::Rejected"
        => "!known.is(Some(resource)) || retry && known.size == 0",
        "nack::c18_what";
    "a late rejection brings nothing back", "C18", "substream",
        "            self.owed.extend(names);\n"
        => "",
        "nack::c18_a_late";
    "a missing name is forgotten", "C4", "substream",
        "!known.is(Some(resource)) || retry && known.standing == Standing::Rejected"
        => "known.content != Content::Absent && !known.is(Some(resource))",
        "delta::c03";
    "a removal is told twice", "C7", "substream",
        "Content::Absent => subscription.names().contains(name),"
        => "Content::Absent => subscription.names().is_empty(),",
        "delta::c07";
    "a name is sent and removed", "A12", "substream",
        "!self.known.contains_key(*name) && view.get(self.ty, name).is_none()"
        => "!self.known.contains_key(*name)",
        "envelope::a12";
    "a dropped resource is remembered", "B15", "substream",
        "let stays = subscription.covers(name) || known.is_on_its_way();"
        => "let stays = subscription.covers(name) || known.standing != Standing::Rejected;",
        "wildcard::c13";
    "no names after names is everything", "B24", "subscription",
        "self.wildcard = explicit || (!self.spoken && self.legacy);"
        => "self.wildcard = explicit || (given.is_empty() && self.legacy);",
        "wildcard::b24";
    "dropped names are still sent", "B23", "subscription",
        "self.names = next;"
        => "self.names.extend(next);",
        "sotw::b23";
    "a name added is not answered", "B13", "subscription",
        "        owed.names = next.difference(&self.names).cloned().collect();\n"
        => "",
        "wildcard::b27";
    "what is given up is remembered", "B11", "subscription",
        "        owed.dropped |= self.names.difference(&next).next().is_some();\n"
        => "",
        "nack::b11_an_absence";
    "as many names are the same names", "B23", "subscription",
        "if given.iter().copied().eq(self.names.iter().map(|n| &**n)) {"
        => "if given.len() == self.names.len() {",
        "sotw::b23";
    "no names of routes is everything", "B28", "subscription",
        "legacy: ty.is_full_state(),"
        => "legacy: ty != ResourceType::Runtime,",
        "wildcard::b28";
    "a name asked for again is not answered", "C2", "subscription",
        "                owed.names.insert(name);\n"
        => "                owed.names.extend(Some(name).filter(|_| had_everything));\n",
        "delta::c02";
    "a name ends the legacy wildcard", "C12", "subscription",
        "(self.wildcard || (!self.spoken && self.legacy))"
        => "(self.wildcard && self.names.is_empty() || (!self.spoken && self.legacy))",
        "wildcard::c12";
    "nothing left is everything", "C13", "subscription",
        "(self.wildcard || (!self.spoken && self.legacy))"
        => "(self.wildcard || (self.names.is_empty() && self.legacy))",
        "wildcard::c13";
    "an acknowledgement is a wildcard", "C14", "subscription",
        "self.wildcard = !ends_wildcard && ("
        => "self.wildcard = !ends_wildcard && (owed.names.is_empty() && self.legacy || ",
        "wildcard::c14";
    "a star taken and dropped at once is everything", "C15", "subscription",
        "self.wildcard = !ends_wildcard && ("
        => "self.wildcard = (!ends_wildcard || !had_everything) && (",
        "wildcard::c15";
    "a name dropped under a wildcard is not answered", "C11", "subscription",
        "            owed.names.extend(dropped);\n"
        => "            dropped.clear();\n",
        "wildcard::c11";
    "what is given up incrementally is remembered", "C13", "subscription",
        "        owed.dropped = !dropped.is_empty() || had_everything && !self.wildcard;\n"
        => "",
        "wildcard::c13";
    "a dropped name is sent incrementally", "C8", "subscription",
        "            } else if let Some(name) = self.names.take(name) {\n                self.size -= size(&name);"
        => "            } else if let Some(name) = self.names.get(name).cloned() {",
        "delta::c08";
    "removed clusters go at once", "D2", "order",
        "if !stays.contains_key(name) && has(ty, name) {"
        => "if !stays.contains_key(name) && has(ty, name) && name.is_empty() {",
        "order::d02";
    "what was removed once is not looked at again", "D2", "order",
        "if self.snapshot.shares(&next, ty) {"
        => "if self.snapshot.shares(&next, ty) || self.kept.contains_key(&ty) {",
        "order::d02";
    "removed clusters stay without end", "D10", "order",
        "let until = now + PATIENCE;"
        => "let until = now + PATIENCE * 1_000;",
        "order::d10_silence_about_routes";
    "removed endpoints go at once", "D4", "order",
        "[ResourceType::Cluster, ResourceType::Endpoint];"
        => "[ResourceType::Cluster, ResourceType::Cluster];",
        "order::d04";
    "listeners do not wait for clusters", "D2", "order",
        "[ResourceType::Listener, ResourceType::Route];"
        => "[ResourceType::Route, ResourceType::Route];",
        "order::d02";
    "a cluster's endpoints are sought by its own name", "D5", "warming",
        ".filter(|name| !name.is_empty())"
        => ".filter(|name| name.len() > 1_000)",
        "order::d05";
    "a canary has consented when it is served", "", "trials",
        "(said.peek().is_some() || !changed.contains(&ty)) && said.all(|in_sync| in_sync)"
        => "said.peek().is_some() || !changed.contains(&ty)",
        "canary::only";
    "a canary's rejection is not heard", "", "trials",
        "                votes.rejection.get_or_insert(first);\n"
        => "                drop((votes, first));\n",
        "canary::a_rejection";
};
