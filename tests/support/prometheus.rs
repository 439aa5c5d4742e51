//! A real Prometheus that scrapes the daemon twice a second, writes samples to it, or alerts to it.

use crate::support::components::program;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::http;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use std::process::Command;

/// A running Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    port: u16,
    process: Process,
    scratch: Scratch,
}

impl Prometheus {
    /// Scrapes `/metrics` on that port of 127.0.0.1.
    pub(crate) fn scraping(target: u16) -> Self {
        Self::scraping_with(target, "")
    }

    /// [`Prometheus::scraping`] with further lines of its `scrape_config`, such as how to show who
    /// it is.
    pub(crate) fn scraping_with(target: u16, lines: &str) -> Self {
        Self::start(&format!("{}{lines}", scrape(&[&target.to_string()])))
    }

    /// Scrapes itself and that port of 127.0.0.1, and writes all of it to the daemon there.
    pub(crate) fn writing(target: u16) -> Self {
        let scrape = scrape(&[OWN_PORT, &target.to_string()]);
        Self::start(&format!("{scrape}{}", remote_write(target)))
    }

    /// Scrapes a host, that exporter on 127.0.0.1, and writes what it says to the daemon on the
    /// other port.
    pub(crate) fn writing_of(target: u16, (host, exporter): (&str, u16)) -> Self {
        Self::start(&format!(
            "scrape_configs:\n\
             - job_name: node\n  \
               scrape_interval: 500ms\n  \
               scrape_timeout: 500ms\n  \
               static_configs:\n  \
               - targets: [\"127.0.0.1:{exporter}\"]\n    \
                 labels: {{ instance: \"{host}:9100\" }}\n{}",
            remote_write(target)
        ))
    }

    /// Fires an alert `Always` about the instance `edge-2:9100`, and posts it to an Alertmanager
    /// on that port of 127.0.0.1.
    pub(crate) fn alerting(alertmanager: u16) -> Self {
        let config = format!(
            "global: {{ evaluation_interval: 500ms }}\n\
             rule_files: [rules.yml]\n\
             alerting:\n  \
               alertmanagers:\n  \
               - static_configs: [{{ targets: [\"127.0.0.1:{alertmanager}\"] }}]\n"
        );
        let scratch = Scratch::new("prometheus");
        scratch.write("rules.yml", &rules("vector(1)"));
        Self::start_in(scratch, &config)
    }

    /// Lets the alert of [`Prometheus::alerting`] end.
    pub(crate) fn resolve(&self) {
        self.scratch.write("rules.yml", &rules("vector(1) < 0"));
        self.process.reload();
    }

    /// The alerts that fire, as it shows them.
    pub(crate) fn alerts(&self) -> Result<Vec<serde_json::Value>, String> {
        let answer = http::get(self.port, "/api/v1/alerts")?.json()?;
        let alerts = answer.pointer("/data/alerts").and_then(serde_json::Value::as_array);
        alerts.cloned().ok_or_else(|| answer.to_string())
    }

    fn start(config: &str) -> Self {
        Self::start_in(Scratch::new("prometheus"), config)
    }

    fn start_in(scratch: Scratch, config: &str) -> Self {
        let port = free_port();
        let config = config.replace(OWN_PORT, &port.to_string());
        let config = scratch.write("prometheus.yml", &config);
        let mut command = Command::new(program("prometheus"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", scratch.path().join("data").display()))
            .arg("--rules.alert.resend-delay=1s")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start(&mut command, &scratch.path().join("prometheus.log"));
        eventually("Prometheus is ready", PATIENCE, || match http::get(port, "/-/ready")? {
            answer if answer.status == 200 => Ok(()),
            answer => Err(format!("{answer:?}")),
        });
        Self { port, process, scratch }
    }

    /// The value of an instant query that gives one series.
    pub(crate) fn query(&self, expression: &str) -> Result<f64, String> {
        let answer = self.ask(expression)?;
        answer
            .pointer("/data/result/0/value/1")
            .and_then(serde_json::Value::as_str)
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| format!("{expression}: {answer}"))
    }

    /// The values of a label over the series of an instant query.
    pub(crate) fn labels(&self, expression: &str, label: &str) -> Result<Vec<String>, String> {
        let answer = self.ask(expression)?;
        let series = answer.pointer("/data/result").and_then(serde_json::Value::as_array);
        let series = series.ok_or_else(|| answer.to_string())?;
        let values = series.iter().filter_map(|one| one.pointer(&format!("/metric/{label}")));
        Ok(values.filter_map(|value| Some(value.as_str()?.to_owned())).collect())
    }

    fn ask(&self, expression: &str) -> Result<serde_json::Value, String> {
        let path = format!("/api/v1/query?query={}", http::encode(expression));
        http::get(self.port, &path)?.json()
    }
}

/// Stands for the port that Prometheus itself listens on.
const OWN_PORT: &str = "OWN_PORT";

fn scrape(targets: &[&str]) -> String {
    let targets: Vec<_> = targets.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let targets = targets.join(", ");
    format!(
        "scrape_configs:\n\
         - job_name: vigie\n  \
           scrape_interval: 500ms\n  \
           scrape_timeout: 500ms\n  \
           static_configs: [{{ targets: [{targets}] }}]\n"
    )
}

fn remote_write(target: u16) -> String {
    format!(
        "remote_write:\n\
         - url: http://127.0.0.1:{target}/api/v1/write\n  \
           queue_config: {{ batch_send_deadline: 200ms, min_backoff: 100ms }}\n"
    )
}

/// The rule file with the alert `Always`, which fires while the expression gives something.
fn rules(expression: &str) -> String {
    format!(
        "groups:\n\
         - name: vigie\n  \
           rules:\n  \
           - alert: Always\n    \
             expr: {expression}\n    \
             labels: {{ instance: \"edge-2:9100\", severity: error }}\n    \
             annotations: {{ summary: edge-2 has fired }}\n"
    )
}
