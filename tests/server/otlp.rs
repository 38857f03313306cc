//! A receiver of OTLP, over gRPC and HTTP, by the official protobufs: what a collector of OpenTelemetry takes, with nothing behind it.

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Code, Status};

/// How it is spoken to.
pub(crate) enum By {
    Grpc,
    /// In PEM.
    GrpcOverTls {
        certificate: String,
        key: String,
    },
    Http,
}

/// What came.
#[derive(Default)]
struct Came {
    metrics: Vec<ExportMetricsServiceRequest>,
    traces: Vec<ExportTraceServiceRequest>,
    logs: Vec<ExportLogsServiceRequest>,
    /// Requests of a signal that were refused so far, and how many are to be.
    refused: BTreeMap<&'static str, u32>,
    to_refuse: u32,
}

/// A receiver on a port of its own, as long as it is there.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    came: Arc<Mutex<Came>>,
}

impl Receiver {
    /// One that first refuses so many requests of each signal, as one that is too busy.
    pub(crate) async fn start(by: By, to_refuse: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let came = Came { to_refuse, ..Came::default() };
        let receiver = Self { address: listener.local_addr().unwrap(), came: Arc::new(Mutex::new(came)) };
        match by {
            By::Http => drop(tokio::spawn(over_http(listener, receiver.clone()))),
            By::Grpc => drop(tokio::spawn(over_grpc(listener, receiver.clone(), None))),
            By::GrpcOverTls { certificate, key } => {
                let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
                drop(tokio::spawn(over_grpc(listener, receiver.clone(), Some(tls))));
            }
        }
        receiver
    }

    fn is_refused(&self, signal: &'static str) -> bool {
        let mut came = self.came.lock().unwrap();
        let most = came.to_refuse;
        let refused = came.refused.entry(signal).or_default();
        let is_refused = *refused < most;
        *refused += u32::from(is_refused);
        is_refused
    }

    /// Everything that came, as it can be searched for what is not to be in it.
    pub(crate) fn all(&self) -> String {
        let came = self.came.lock().unwrap();
        format!("{:?} {:?} {:?}", came.metrics, came.traces, came.logs)
    }

    /// The metrics by their names, as they came last.
    pub(crate) fn metrics(&self) -> BTreeMap<String, Metric> {
        let came = self.came.lock().unwrap();
        let scopes = came.metrics.iter().flat_map(|came| &came.resource_metrics).flat_map(|of| &of.scope_metrics);
        scopes.flat_map(|scope| &scope.metrics).map(|metric| (metric.name.clone(), metric.clone())).collect()
    }

    /// What is said of whoever sends.
    pub(crate) fn resource(&self) -> BTreeMap<String, String> {
        let came = self.came.lock().unwrap();
        let resource = came.metrics.first().and_then(|came| came.resource_metrics.first()?.resource.clone());
        resource.map(|resource| told(&resource.attributes)).unwrap_or_default()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let came = self.came.lock().unwrap();
        let scopes = came.traces.iter().flat_map(|came| &came.resource_spans).flat_map(|of| &of.scope_spans);
        scopes.flat_map(|scope| &scope.spans).cloned().collect()
    }

    /// The lines of logs.
    pub(crate) fn lines(&self) -> Vec<String> {
        let came = self.came.lock().unwrap();
        let scopes = came.logs.iter().flat_map(|came| &came.resource_logs).flat_map(|of| &of.scope_logs);
        scopes.flat_map(|scope| &scope.log_records).filter_map(|record| text(record.body.as_ref()?)).collect()
    }
}

fn text(value: &AnyValue) -> Option<String> {
    let value = value.value.as_ref()?;
    Some(if let Value::StringValue(text) = value { text.clone() } else { format!("{value:?}") })
}

/// Attributes by their names.
pub(crate) fn told(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().filter_map(|one| Some((one.key.clone(), text(one.value.as_ref()?)?))).collect()
}

/// The attributes of a metric's points, and whether it counts up.
pub(crate) fn points(metric: &Metric) -> (Vec<BTreeMap<String, String>>, &'static str) {
    let numbers = |points: &[opentelemetry_proto::tonic::metrics::v1::NumberDataPoint]| {
        points.iter().map(|point| told(&point.attributes)).collect()
    };
    match metric.data.as_ref().unwrap() {
        metric::Data::Gauge(gauge) => (numbers(&gauge.data_points), "gauge"),
        metric::Data::Sum(sum) => {
            assert!(sum.is_monotonic, "{}", metric.name);
            (numbers(&sum.data_points), "counter")
        }
        metric::Data::Histogram(histogram) => {
            (histogram.data_points.iter().map(|point| told(&point.attributes)).collect(), "histogram")
        }
        metric::Data::ExponentialHistogram(_) | metric::Data::Summary(_) => panic!("{metric:?}"),
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        if self.is_refused("metrics") {
            return Err(Status::new(Code::Unavailable, "busy"));
        }
        self.came.lock().unwrap().metrics.push(request.into_inner());
        Ok(tonic::Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        if self.is_refused("traces") {
            return Err(Status::new(Code::Unavailable, "busy"));
        }
        self.came.lock().unwrap().traces.push(request.into_inner());
        Ok(tonic::Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, Status> {
        if self.is_refused("logs") {
            return Err(Status::new(Code::Unavailable, "busy"));
        }
        self.came.lock().unwrap().logs.push(request.into_inner());
        Ok(tonic::Response::new(Default::default()))
    }
}

async fn over_grpc(listener: TcpListener, receiver: Receiver, tls: Option<ServerTlsConfig>) {
    let mut server = tonic::transport::Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).unwrap();
    }
    let router = server
        .add_service(MetricsServiceServer::new(receiver.clone()))
        .add_service(TraceServiceServer::new(receiver.clone()))
        .add_service(LogsServiceServer::new(receiver));
    router.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
}

async fn over_http(listener: TcpListener, receiver: Receiver) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let receiver = receiver.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let receiver = receiver.clone();
                async move { Ok::<_, Infallible>(receiver.take(request).await) }
            });
            let connection = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            connection.serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

impl Receiver {
    async fn take(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let answer = |status, body: Vec<u8>| {
            let response = Response::builder().status(status).header("content-type", "application/x-protobuf");
            response.body(Full::new(Bytes::from(body))).unwrap()
        };
        let path = request.uri().path().to_owned();
        assert_eq!(request.headers()["content-type"], "application/x-protobuf");
        let bytes = request.into_body().collect().await.unwrap().to_bytes();
        let signal = match path.as_str() {
            "/v1/metrics" => "metrics",
            "/v1/traces" => "traces",
            "/v1/logs" => "logs",
            _ => return answer(StatusCode::NOT_FOUND, Vec::new()),
        };
        if self.is_refused(signal) {
            return answer(StatusCode::SERVICE_UNAVAILABLE, Vec::new());
        }
        let mut came = self.came.lock().unwrap();
        match signal {
            "metrics" => came.metrics.push(ExportMetricsServiceRequest::decode(bytes).unwrap()),
            "traces" => came.traces.push(ExportTraceServiceRequest::decode(bytes).unwrap()),
            _ => came.logs.push(ExportLogsServiceRequest::decode(bytes).unwrap()),
        }
        answer(StatusCode::OK, Vec::new())
    }
}
