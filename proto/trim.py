#!/usr/bin/env python3
"""Write the trimmed Envoy API files of this folder from the full API.

usage: trim.py ENVOY_TYPES_PACKAGE   (the unpacked source of the envoy-types crate; needs `pip install grpcio-tools`)

Every message named in KEEP is written with all its fields, so that any field on the wire has a name. A field whose
message type is not kept becomes `optional bytes`, which has the same wire format. Comments and options are left out.
"""

import collections
import os
import sys
import tempfile

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

KEEP = """
envoy.admin.v3.UpdateFailureState
envoy.config.accesslog.v3.AccessLog envoy.config.accesslog.v3.AccessLogFilter
envoy.config.accesslog.v3.GrpcStatusFilter
envoy.config.cluster.v3.CircuitBreakers envoy.config.cluster.v3.CircuitBreakers.Thresholds
envoy.config.cluster.v3.Cluster envoy.config.cluster.v3.Cluster.CustomClusterType
envoy.config.cluster.v3.Cluster.EdsClusterConfig envoy.config.common.mutation_rules.v3.HeaderMutation
envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch envoy.config.core.v3.Address
envoy.config.core.v3.AggregatedConfigSource envoy.config.core.v3.BuildVersion envoy.config.core.v3.ConfigSource
envoy.config.core.v3.ControlPlane envoy.config.core.v3.DataSource envoy.config.core.v3.GrpcService
envoy.config.core.v3.GrpcService.EnvoyGrpc envoy.config.core.v3.HeaderValue
envoy.config.core.v3.HeaderValueOption envoy.config.core.v3.Http1ProtocolOptions
envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat
envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords envoy.config.core.v3.Http2ProtocolOptions
envoy.config.core.v3.HttpProtocolOptions envoy.config.core.v3.Locality envoy.config.core.v3.Node
envoy.config.core.v3.RuntimeFractionalPercent envoy.config.core.v3.SocketAddress
envoy.config.core.v3.SubstitutionFormatString envoy.config.core.v3.TransportSocket
envoy.config.core.v3.TypedExtensionConfig envoy.config.endpoint.v3.ClusterLoadAssignment
envoy.config.endpoint.v3.ClusterLoadAssignment.Policy envoy.config.endpoint.v3.ClusterStats
envoy.config.endpoint.v3.Endpoint envoy.config.endpoint.v3.EndpointLoadMetricStats
envoy.config.endpoint.v3.LbEndpoint envoy.config.endpoint.v3.LocalityLbEndpoints
envoy.config.endpoint.v3.UpstreamLocalityStats envoy.config.listener.v3.Filter
envoy.config.listener.v3.FilterChain envoy.config.listener.v3.FilterChainMatch envoy.config.listener.v3.Listener
envoy.config.listener.v3.ListenerFilter envoy.config.route.v3.DirectResponseAction
envoy.config.route.v3.HeaderMatcher envoy.config.route.v3.QueryParameterMatcher
envoy.config.route.v3.Route envoy.config.route.v3.RouteAction
envoy.config.route.v3.RouteAction.RequestMirrorPolicy envoy.config.route.v3.RouteConfiguration
envoy.config.route.v3.RouteList envoy.config.route.v3.RouteMatch envoy.config.route.v3.RouteMatch.ConnectMatcher
envoy.config.route.v3.VirtualHost
envoy.data.accesslog.v3.AccessLogCommon envoy.data.accesslog.v3.HTTPAccessLogEntry
envoy.data.accesslog.v3.HTTPRequestProperties envoy.data.accesslog.v3.HTTPResponseProperties
envoy.data.accesslog.v3.TCPAccessLogEntry
envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig
envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig
envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig
envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig
envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheCircuitBreakers
envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig
envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue
envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig
envoy.extensions.filters.http.header_to_metadata.v3.Config
envoy.extensions.filters.http.header_to_metadata.v3.Config.KeyValuePair
envoy.extensions.filters.http.header_to_metadata.v3.Config.Rule
envoy.extensions.filters.http.set_filter_state.v3.Config envoy.extensions.filters.http.router.v3.Router
envoy.extensions.filters.listener.http_inspector.v3.HttpInspector
envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig
envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter
envoy.extensions.filters.network.http_connection_manager.v3.Rds
envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig
envoy.extensions.matching.common_inputs.network.v3.FilterStateInput
envoy.extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction
envoy.extensions.upstreams.http.v3.HttpProtocolOptions
envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig
envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig
envoy.service.accesslog.v3.StreamAccessLogsMessage
envoy.service.accesslog.v3.StreamAccessLogsMessage.HTTPAccessLogEntries
envoy.service.accesslog.v3.StreamAccessLogsMessage.Identifier
envoy.service.accesslog.v3.StreamAccessLogsMessage.TCPAccessLogEntries
envoy.service.accesslog.v3.StreamAccessLogsResponse
envoy.service.discovery.v3.DeltaDiscoveryRequest envoy.service.discovery.v3.DeltaDiscoveryResponse
envoy.service.discovery.v3.DiscoveryRequest envoy.service.discovery.v3.DiscoveryResponse
envoy.service.discovery.v3.DynamicParameterConstraints
envoy.service.discovery.v3.DynamicParameterConstraints.ConstraintList
envoy.service.discovery.v3.DynamicParameterConstraints.SingleConstraint
envoy.service.discovery.v3.DynamicParameterConstraints.SingleConstraint.Exists envoy.service.discovery.v3.Resource
envoy.service.discovery.v3.Resource.CacheControl envoy.service.discovery.v3.ResourceError
envoy.service.discovery.v3.ResourceLocator envoy.service.discovery.v3.ResourceName
envoy.service.load_stats.v3.LoadStatsRequest envoy.service.load_stats.v3.LoadStatsResponse
envoy.service.runtime.v3.Runtime
envoy.service.status.v3.ClientConfig envoy.service.status.v3.ClientConfig.GenericXdsConfig
envoy.service.status.v3.ClientStatusRequest envoy.service.status.v3.ClientStatusResponse
envoy.service.status.v3.PerXdsConfig envoy.type.matcher.v3.HttpRequestHeaderMatchInput envoy.type.matcher.v3.NodeMatcher
envoy.type.matcher.v3.RegexMatcher envoy.type.matcher.v3.RegexMatcher.GoogleRE2 envoy.type.matcher.v3.StringMatcher
envoy.type.v3.FractionalPercent envoy.type.v3.Int64Range envoy.type.v3.SemanticVersion google.rpc.Status
xds.core.v3.TypedExtensionConfig xds.type.matcher.v3.Matcher xds.type.matcher.v3.Matcher.MatcherList
xds.type.matcher.v3.Matcher.MatcherList.FieldMatcher xds.type.matcher.v3.Matcher.MatcherList.Predicate
xds.type.matcher.v3.Matcher.MatcherList.Predicate.PredicateList
xds.type.matcher.v3.Matcher.MatcherList.Predicate.SinglePredicate xds.type.matcher.v3.Matcher.OnMatch
""".split()

# Roots that reach every kept message.
ROOTS = """
envoy/config/cluster/v3/cluster.proto envoy/config/endpoint/v3/endpoint.proto envoy/config/listener/v3/listener.proto
envoy/extensions/access_loggers/grpc/v3/als.proto envoy/service/accesslog/v3/als.proto
envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto
envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy.proto
envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.proto
envoy/extensions/filters/http/router/v3/router.proto
envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.proto
envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto
envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto
envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.proto
envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.proto
envoy/extensions/matching/common_inputs/network/v3/network_inputs.proto
envoy/extensions/matching/input_matchers/runtime_fraction/v3/runtime_fraction.proto
envoy/extensions/upstreams/http/v3/http_protocol_options.proto
envoy/service/cluster/v3/cds.proto envoy/service/discovery/v3/ads.proto envoy/service/endpoint/v3/eds.proto
envoy/service/listener/v3/lds.proto envoy/service/route/v3/rds.proto envoy/service/runtime/v3/rtds.proto
envoy/service/load_stats/v3/lrs.proto envoy/service/status/v3/csds.proto envoy/type/matcher/v3/http_inputs.proto
""".split()

SERVICES = """
envoy.service.accesslog.v3.AccessLogService
envoy.service.cluster.v3.ClusterDiscoveryService envoy.service.discovery.v3.AggregatedDiscoveryService
envoy.service.endpoint.v3.EndpointDiscoveryService envoy.service.listener.v3.ListenerDiscoveryService
envoy.service.route.v3.RouteDiscoveryService envoy.service.runtime.v3.RuntimeDiscoveryService
envoy.service.load_stats.v3.LoadReportingService envoy.service.status.v3.ClientStatusDiscoveryService
""".split()

F = descriptor_pb2.FieldDescriptorProto
SCALARS = {v: n[5:].lower() for n, v in F.Type.items()}


def load(package):
    """The full API as one descriptor set."""
    proto = os.path.join(package, "proto")
    include = ["-I" + os.path.join(proto, d) for d in sorted(os.listdir(proto))]
    with tempfile.NamedTemporaryFile() as out:
        flags = ["protoc", "--include_imports", "-o" + out.name]
        wkt = os.path.join(os.path.dirname(protoc.__file__), "_proto")
        if protoc.main(flags + include + ["-I" + wkt] + ROOTS) != 0:
            sys.exit("the API does not compile")
        return descriptor_pb2.FileDescriptorSet.FromString(out.read())


class Printer:
    def __init__(self, package):
        self.package, self.lines, self.imports = package, [], set()

    def type_of(self, field, entries):
        if field.type == F.TYPE_MESSAGE:
            name = field.type_name[1:]
            if name in entries:
                key, value = entries[name].field
                return f"map<{self.type_of(key, {})}, {self.type_of(value, {})}>"
            if name.startswith("google.protobuf."):
                self.imports.add(WKT[name])
            elif name in KEEP:
                self.use(name)
            else:
                return "bytes"
            return "." + name
        if field.type == F.TYPE_ENUM:
            name = field.type_name[1:]
            owner = ENUMS[name]
            if owner and owner not in KEEP:
                return "int32"
            self.use(name)
            return "." + name
        return SCALARS[field.type]

    def use(self, name):
        if PACKAGE[name] != self.package:
            self.imports.add(PACKAGE[name] + ".proto")

    def field(self, field, entries, indent):
        kind = self.type_of(field, entries)
        repeated = field.label == F.LABEL_REPEATED and not kind.startswith("map<")
        # A message has presence, and so must the bytes in its place: an empty message means something.
        alone = not field.HasField("oneof_index") or field.proto3_optional
        cut = field.type == F.TYPE_MESSAGE and kind == "bytes" and alone
        label = "repeated " if repeated else "optional " if field.proto3_optional or cut else ""
        self.lines.append(f"{indent}{label}{kind} {field.name} = {field.number};")

    def message(self, message, path, indent):
        self.lines.append(f"{indent}message {message.name} {{")
        inner = indent + "  "
        entries = {f"{path}.{n.name}": n for n in message.nested_type if n.options.map_entry}
        for nested in message.nested_type:
            if f"{path}.{nested.name}" in KEEP:
                self.message(nested, f"{path}.{nested.name}", inner)
        for enum in message.enum_type:
            self.enum(enum, inner)
        groups = collections.OrderedDict()
        for field in message.field:
            real = field.HasField("oneof_index") and not field.proto3_optional
            groups.setdefault(field.oneof_index if real else -1, []).append(field)
        for index, fields in groups.items():
            if index >= 0:
                self.lines.append(f"{inner}oneof {message.oneof_decl[index].name} {{")
            for field in fields:
                self.field(field, entries, inner + ("  " if index >= 0 else ""))
            if index >= 0:
                self.lines.append(f"{inner}}}")
        self.lines.append(f"{indent}}}")

    def enum(self, enum, indent):
        self.lines.append(f"{indent}enum {enum.name} {{")
        self.lines += [f"{indent}  {v.name} = {v.number};" for v in enum.value]
        self.lines.append(f"{indent}}}")

    def service(self, service):
        self.lines.append(f"service {service.name} {{")
        for m in service.method:
            self.use(m.input_type[1:])
            self.use(m.output_type[1:])
            arrow = ["stream " if s else "" for s in (m.client_streaming, m.server_streaming)]
            self.lines.append(f"  rpc {m.name}({arrow[0]}{m.input_type}) returns ({arrow[1]}{m.output_type});")
        self.lines.append("}")

    def text(self):
        head = ['syntax = "proto3";', "", f"package {self.package};", ""]
        imports = [f'import "{name}";' for name in sorted(self.imports)]
        return "\n".join(head + imports + ([""] if imports else []) + self.lines) + "\n"


PACKAGE, ENUMS, WKT = {}, {}, {}


def index(file, messages, prefix):
    for m in messages:
        path = f"{prefix}.{m.name}"
        PACKAGE[path] = file.package
        if file.package == "google.protobuf":
            WKT[path] = file.name
        for e in m.enum_type:
            ENUMS[f"{path}.{e.name}"], PACKAGE[f"{path}.{e.name}"] = path, file.package
        index(file, m.nested_type, path)


def main():
    files = load(sys.argv[1]).file
    for file in files:
        index(file, file.message_type, file.package)
        for e in file.enum_type:
            ENUMS[f"{file.package}.{e.name}"], PACKAGE[f"{file.package}.{e.name}"] = None, file.package
    missing = [name for name in KEEP if name not in PACKAGE]
    if missing:
        sys.exit(f"not in the API: {missing}")
    printers = collections.OrderedDict()
    wanted_enums = set()
    for _ in range(2):  # the second round knows which top-level enums the first one used
        printers.clear()
        for file in files:
            printer = printers.setdefault(file.package, Printer(file.package))
            for e in file.enum_type:
                if f"{file.package}.{e.name}" in wanted_enums:
                    printer.enum(e, "")
            for m in file.message_type:
                if f"{file.package}.{m.name}" in KEEP:
                    printer.message(m, f"{file.package}.{m.name}", "")
            for s in file.service:
                if f"{file.package}.{s.name}" in SERVICES:
                    printer.service(s)
        text = "\n".join(line for p in printers.values() for line in p.lines)
        wanted_enums = {n for n, owner in ENUMS.items() if owner is None and f".{n} " in text}
    here = os.path.dirname(os.path.abspath(__file__))
    for package, printer in printers.items():
        if printer.lines and package != "google.protobuf":
            with open(os.path.join(here, package + ".proto"), "w") as out:
                out.write(printer.text())


if __name__ == "__main__":
    main()
