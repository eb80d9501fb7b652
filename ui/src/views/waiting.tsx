import type { Status } from "../data/source";
import { number } from "../data/format";

/** The first page of a server: how to send an event, and whether one has come. */
export function Waiting({ status }: { status: Status }) {
  const came = status.stored.events > 0 || status.events > 0;
  const next = status.hunting ? "The first hunt is running; this page will show its result." : "This server stores and searches events; it does not hunt.";
  const origin = location.origin;
  const senders: [string, string][] = [
    ["An event by hand", `curl ${origin}/services/collector/event -H 'Authorization: Splunk TOKEN' -d '{"event": "hello"}'`],
    ["Splunk's senders, Vector, Fluent Bit, OpenTelemetry", `${origin}/services/collector with the token`],
    ["Winlogbeat, Filebeat, Logstash", `output.elasticsearch: {hosts: ["${origin}"], api_key: "crabwalk:TOKEN"}`],
  ];
  return (
    <main id="main" class="waiting" tabIndex={-1}>
      <h1>{came ? "The first events have arrived" : "Waiting for the first event"}</h1>
      <p role="status" class={came ? "lamp on" : "lamp"}>
        {came
          ? `${number(Math.max(status.events, status.stored.events))} received. ${next}`
          : "Point a sender here. This page lights up when an event arrives."}
      </p>
      {status.trouble && <p role="alert">{status.trouble}</p>}
      {status.hunting?.trouble && <p role="alert">The last hunt failed: {status.hunting.trouble}</p>}
      {!came && (
        <dl>
          {senders.map(([name, text]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <code>{text}</code>
              </dd>
            </div>
          ))}
        </dl>
      )}
      <p>
        The server printed the token when it first started; <a href="#/people">Users</a> makes another, as does <code>crabwalk serve token add NAME</code>.
      </p>
    </main>
  );
}
