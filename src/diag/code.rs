//! The stable codes: one table, so that no code is given twice.

use std::fmt;

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration works as written; there is something to know about it.
    Info,
    /// The configuration is accepted, but probably not what was meant.
    Warning,
    /// A part of the configuration has no effect.
    Error,
}

impl Severity {
    /// The word used in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! codes {
    ($($code:ident = $id:literal, $severity:ident, $title:literal;)*) => {
        /// What kind of problem a diagnostic reports. Codes are never reused for another meaning, and the names are
        /// not changed: they are the reasons of conditions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $id, "`: ", $title, ".")] $code,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Self::$code,)*];

            /// The code as it is printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $id,)* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)* }
            }

            /// What it means, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)* }
            }
        }
    };
}

codes! {
    // Files and objects.
    Syntax = "MP001", Error, "not valid YAML or JSON";
    Unreadable = "MP002", Error, "a file or folder cannot be read";
    NotAnObject = "MP003", Error, "not a Kubernetes object";
    WrongType = "MP004", Error, "a field is missing or has the wrong type";
    UnknownField = "MP005", Warning, "a field that nothing reads";
    Duplicate = "MP006", Error, "the same object twice";
    NoName = "MP007", Error, "an object without a name";
    UnknownVersion = "MP008", Error, "an API version that is not supported";
    Emptied = "MP009", Warning, "a file that has become empty";
    UnknownKind = "MP010", Warning, "an unknown kind of object";
    EndpointsNotRead = "MP011", Info, "Endpoints, where EndpointSlices are read";
    UnknownAnnotation = "MP012", Warning, "an annotation that nothing reads";
    FolderWithoutNamespace = "MP013", Warning, "a folder named like a namespace that is not known";
    NothingFound = "MP014", Warning, "a folder without objects";
    KindNotServed = "MP015", Warning, "a kind of object that the cluster does not have";
    KindRefused = "MP016", Error, "a kind of object that the cluster does not let us read";
    ClusterLost = "MP017", Warning, "the Kubernetes API does not answer";
    // Mesh and plugins.
    NoMeshConfig = "MP101", Warning, "no MeshConfig";
    PluginPolicyOff = "MP102", Warning, "the plugin feature is switched off";
    SeveralMeshConfigs = "MP103", Warning, "more than one MeshConfig";
    UnsupportedPlugin = "MP104", Warning, "a plugin that does not mirror";
    BadAnnotation = "MP105", Error, "an annotation with a value that means nothing";
    PluginPriority = "MP106", Warning, "a plugin priority outside the useful range";
    PluginUnconfigured = "MP107", Warning, "a mirror plugin without a configuration";
    // Plugin chains.
    UnsupportedChain = "MP201", Warning, "a chain in which nothing can be mirrored";
    BadSelector = "MP202", Error, "a selector that cannot match";
    SelectsNothing = "MP203", Warning, "a chain that selects no workload";
    ChainPluginMissing = "MP204", Error, "a chain names a plugin that does not exist";
    NamespaceUnknown = "MP205", Warning, "a namespace whose labels are not known";
    UnknownSelectorField = "MP206", Error, "an unknown field in a selector";
    // Plugin configurations.
    PluginMissing = "MP301", Error, "a configuration of a plugin that does not exist";
    PluginUnused = "MP302", Warning, "a configuration of a plugin that is in no chain";
    BadDestinationKind = "MP303", Error, "a destination that is not a Service";
    DestinationMissing = "MP304", Error, "a destination that does not exist";
    DestinationNotHttp = "MP305", Error, "a destination without an HTTP port";
    NoDestinations = "MP306", Warning, "a configuration without destinations";
    Conflict = "MP307", Error, "two configurations claim the same destination";
    PortNotHttp = "MP308", Info, "a port that is not HTTP";
    DestinationEmpty = "MP309", Warning, "a destination without ready endpoints";
    DestinationUnserved = "MP310", Error, "a destination without EndpointSlices";
    UnknownConfigKey = "MP311", Error, "an unknown key in spec.config";
    ConfigKeyMissing = "MP312", Error, "a key missing in spec.config";
    BadConfigValue = "MP313", Error, "a value in spec.config that means nothing";
    FractionAbsent = "MP314", Warning, "no percentage: nothing is mirrored";
    FractionTooLarge = "MP315", Warning, "a percentage above 1";
    BadFraction = "MP316", Error, "a percentage that is not a number from 0 to 1";
    FractionTooSmall = "MP317", Warning, "a percentage below one in a million";
    FractionAsText = "MP318", Info, "a percentage written as text";
    ExternalPlain = "MP319", Warning, "copies to port 443 of a host outside without TLS";
    NeverMet = "MP320", Warning, "a condition that hardly any request meets";
    TargetMissing = "MP321", Error, "a mirror target that does not exist";
    TargetPortMissing = "MP322", Error, "a mirror target without that port";
    TargetPortIndirect = "MP323", Info, "a port found by its target port";
    TargetEmpty = "MP324", Warning, "a mirror target without ready endpoints";
    SelfMirror = "MP325", Error, "a destination that mirrors to itself";
    TargetNotHttp = "MP326", Error, "a mirror target that does not speak HTTP";
    TargetProtocol = "MP327", Warning, "a mirror target that speaks another protocol than the destination";
    TargetUnlabelled = "MP328", Warning, "endpoints of a subset whose labels are not known";
    TargetTls = "MP329", Error, "a mirror target that speaks TLS, where nobody vouches for it";
    TargetPlain = "MP330", Warning, "a mirror target that is to speak TLS, and says that it does not";
    SelfDisguised = "MP331", Error, "a mirror target that is the destination by another name";
    TargetShared = "MP332", Warning, "a mirror target that shares Pods with the destination";
    MirrorCircle = "MP333", Error, "mirrors that lead in a circle";
    SameMirror = "MP334", Error, "two mirrors that copy the same requests to the same place";
    MirrorCascade = "MP335", Info, "a mirror target whose own requests are mirrored";
    TooManySelections = "MP336", Error, "more mirrors, or kinds of request, than one destination can have";
    OwnCalls = "MP337", Info, "callers that are behind the target of a mirror themselves";
    CredentialsStripped = "MP341", Info, "copies to another namespace, or to a host outside, without credentials";
    QuarantineLive = "MP351", Warning, "a quarantine that is not applied, as its Pods are live too";
    QuarantineOverruled = "MP352", Info, "a quarantine that is stricter, as another configuration asks for more";
    QuarantineUnguarded = "MP353", Warning, "a quarantine without sidecars that could keep it";
    QuarantineRefused = "MP354", Info, "calls that a quarantine has refused";
    // Endpoints, workloads and sidecars.
    BadEndpoint = "MP401", Warning, "an endpoint that cannot be used";
    BadListenAddress = "MP402", Error, "a listen address that cannot be used";
    SharedAddress = "MP403", Warning, "a destination whose callers cannot be told from another's";
    NoAddress = "MP404", Warning, "a destination without an address at which it can be captured";
    SidecarPort = "MP405", Warning, "a destination on a port that sidecars keep for themselves";
    UnknownNode = "MP501", Warning, "a sidecar that belongs to no known workload";
    OldEnvoy = "MP502", Warning, "an Envoy too old for a part of the configuration";
    Rejected = "MP503", Error, "a sidecar rejected its configuration";
    Refused = "MP504", Warning, "a client was refused";
    RolloutStopped = "MP505", Error, "a change that canaries did not take: its roll-out is stopped";
    StatusUnwritten = "MP506", Warning, "statuses that cannot be written";
    StatusUnkept = "MP507", Warning, "a kind whose statuses the cluster does not keep";
    // Injection of sidecars.
    BadInjection = "MP601", Error, "a sidecar-injection annotation that says neither yes nor no";
    BadSidecarAnnotation = "MP602", Error, "a sidecar annotation with a value that means nothing";
    NoSidecar = "MP603", Warning, "a Pod that asks for a sidecar and cannot have one";
    UserOfSidecar = "MP604", Warning, "an application that runs as the user of the sidecar";
    SidecarStays = "MP605", Warning, "a Pod that is meant to end, with a sidecar that does not";
    // What holds shares down.
    Stopped = "MP701", Warning, "a mirror that is stopped";
    RampUnderWay = "MP702", Info, "a ramp that is under way";
    RampNotResumable = "MP703", Info, "a ramp whose start is written nowhere";
    RampUnrecorded = "MP704", Warning, "a ramp that has not begun, as its start is not recorded";
    RampStepTooLarge = "MP705", Info, "a step of a ramp above the percentage";
    BudgetBlown = "MP706", Warning, "a mirror that is stopped because too many copies failed or were slow";
    BudgetUnjudged = "MP707", Warning, "sidecars that do not report how copies fare";
    RateHeld = "MP708", Info, "a share that is lowered for the sake of maxRequestsPerSecond";
    BadResumption = "MP709", Warning, "a resumption of a budget that means nothing";
    RampWaits = "MP710", Warning, "a ramp that waits at the gate of a step";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Code;

    #[test]
    fn codes_are_given_once() {
        let ids: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(ids.len(), Code::ALL.len());
    }
}
