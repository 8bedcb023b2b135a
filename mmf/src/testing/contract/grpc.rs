//! gRPC services: whether they serve, by `grpc.health.v1`, and whether their methods exist, by server reflection
//! where the server has it.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message as _;
use prost_types::FileDescriptorProto;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::ready::until_ready;
use super::report::Checked;

/// Checks each service (`users.v1.Users`), and each method (`users.v1.Users/Get`).
pub(super) async fn check(
    base: &str,
    owner: &str,
    services: &[String],
    (wait_ready, timeout): (Option<Duration>, Duration),
    checked: &mut Checked,
) {
    let channel = match connected(base, wait_ready, timeout).await {
        Ok(channel) => channel,
        Err(error) => {
            return checked.add("reachable", false, format!("nothing answers at {base}: {error}"));
        }
    };
    checked.add("reachable", true, "");
    let names: BTreeSet<_> = services.iter().map(|name| split(name).0).collect();
    for service in names {
        let health = health(channel.clone(), service).await;
        let health = health.map_err(|why| format!("{owner}: {service} {why}"));
        checked.add_result(format!("serving {service}"), health);
        let methods: Vec<_> = services
            .iter()
            .filter_map(|name| split(name).1.filter(|_| split(name).0 == service))
            .collect();
        match reflected(channel.clone(), service).await {
            Ok(Some(known)) => {
                checked.add(format!("reflection {service}"), true, "");
                for method in methods {
                    let detail = format!("it has {}", known.join(", "));
                    let is_known = known.iter().any(|known| known == method);
                    checked.add(format!("method {service}/{method}"), is_known, detail);
                }
            }
            Ok(None) if methods.is_empty() => {}
            Ok(None) => {
                let why = "the server has no reflection, so that nothing tells of its methods";
                checked.add(format!("reflection {service}"), false, why);
            }
            Err(why) => checked.add(format!("reflection {service}"), false, why),
        }
    }
}

fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once('/').map_or((name, None), |(service, method)| (service, Some(method)))
}

async fn connected(
    base: &str,
    wait_ready: Option<Duration>,
    timeout: Duration,
) -> Result<Channel, String> {
    let endpoint = Endpoint::from_shared(base.to_owned()).map_err(|error| error.to_string())?;
    let endpoint = endpoint.timeout(timeout);
    #[cfg(feature = "tls")]
    let endpoint = match base.starts_with("https:") {
        true => endpoint
            .tls_config(tonic::transport::ClientTlsConfig::new().with_webpki_roots())
            .map_err(|error| chain(&error))?,
        false => endpoint,
    };
    let connect = |within| {
        let endpoint = endpoint.clone().connect_timeout(within);
        async move { endpoint.connect().await }
    };
    until_ready(wait_ready, timeout, connect).await.map_err(|error| chain(&error))
}

/// An error with its causes: that of a transport says nothing by itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn health(channel: Channel, service: &str) -> Result<(), String> {
    let request = HealthCheckRequest { service: service.to_owned() };
    match HealthClient::new(channel).check(request).await {
        Ok(response) => match response.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            other => Err(format!("is down: {}", other.as_str_name())),
        },
        Err(status) if status.code() == Code::NotFound => {
            Err("is not known to the health service".into())
        }
        Err(status) if status.code() == Code::Unimplemented => {
            Err("cannot be asked: the server has no grpc.health.v1".into())
        }
        Err(status) => Err(told(&status)),
    }
}

fn told(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// The methods of a service; nothing where the server has no reflection.
async fn reflected(channel: Channel, service: &str) -> Result<Option<Vec<String>>, String> {
    let files = match by_v1(channel.clone(), service).await {
        Err(status) if status.code() == Code::Unimplemented => by_v1alpha(channel, service).await,
        other => other,
    };
    let files = match files {
        Ok(files) => files,
        Err(status) if status.code() == Code::Unimplemented => return Ok(None),
        Err(status) => return Err(told(&status)),
    };
    for file in files {
        let file =
            FileDescriptorProto::decode(file.as_slice()).map_err(|error| error.to_string())?;
        let found = file.service.iter().find(|known| {
            let (package, name) = (file.package(), known.name());
            service
                == if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
        });
        if let Some(found) = found {
            return Ok(Some(found.method.iter().map(|method| method.name().to_owned()).collect()));
        }
    }
    Err("reflection does not know the service".into())
}

/// The two versions of the protocol differ in their package alone.
macro_rules! by_version {
    ($name:ident, $version:ident) => {
        /// The files that define a service.
        async fn $name(channel: Channel, service: &str) -> Result<Vec<Vec<u8>>, Status> {
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::FileContainingSymbol(service.to_owned())),
            };
            let requests = tokio_stream::once(request);
            let mut client = ServerReflectionClient::new(channel);
            let mut answers = client.server_reflection_info(requests).await?.into_inner();
            match answers.message().await?.and_then(|answer| answer.message_response) {
                Some(MessageResponse::FileDescriptorResponse(files)) => {
                    Ok(files.file_descriptor_proto)
                }
                Some(MessageResponse::ErrorResponse(error)) => {
                    Err(Status::new(Code::from(error.error_code), error.error_message))
                }
                _ => Err(Status::internal("reflection answered something else")),
            }
        }
    };
}

by_version!(by_v1, v1);
by_version!(by_v1alpha, v1alpha);
