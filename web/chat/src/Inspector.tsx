// The right column: what the bot and the server said to each other about this chat, and what shall go wrong next.

import { useEffect, useRef, useState } from "react";
import { api, chatPath } from "./api";
import { exactTimeOf } from "./format";
import { Icon } from "./icons";
import { Json } from "./Json";
import { Menu, under } from "./Menu";
import { attempt, inspect, refreshTown, toast, useStore } from "./store";
import type { Bot, Call, Delivery, Fault, FaultKind, Limits, Settings, Traffic, Update, Updates } from "./types";

const KEPT = 300;
const SHOWN_FIRST = 60;
const LOOK_MS = 2_500;
const TABS = ["Traffic", "Faults", "Limits", "About"] as const;
type Tab = (typeof TABS)[number];

export function Inspector({ chatRef }: { chatRef: string }) {
  const [tab, setTab] = useState<Tab>("Traffic");
  const bots = useStore((state) => state.bots);
  const dialog = useStore((state) => state.dialogs.get(chatRef));
  const botIds = chatRef.includes(":") ? [Number(chatRef.split(":")[0])] : (dialog?.members.filter((one) => one.is_bot).map((one) => one.id) ?? []);
  const here = bots.filter((bot) => botIds.includes(bot.id));
  return (
    <aside className="inspector" aria-label="Inspector">
      <header className="inspector-head">
        <button type="button" className="round only-middle" aria-label="Back to the chat" onClick={() => inspect(false)}>
          <Icon name="back" />
        </button>
        <h2>Inspector</h2>
        <button type="button" className="round only-wide" aria-label="Close the inspector" onClick={() => inspect(false)}>
          <Icon name="close" />
        </button>
      </header>
      <div className="tabs" role="tablist" aria-label="Inspector" onKeyDown={walkTabs}>
        {TABS.map((name) => (
          <button key={name} type="button" role="tab" id={`tab-${name}`} aria-selected={tab === name} aria-controls="panel" tabIndex={tab === name ? 0 : -1} onClick={() => setTab(name)}>
            {name}
          </button>
        ))}
      </div>
      <div className="panel" role="tabpanel" id="panel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
        {tab === "Traffic" && <TrafficPanel key={chatRef} chatRef={chatRef} />}
        {tab === "Faults" && <FaultsPanel bots={here} chatRef={chatRef} />}
        {tab === "Limits" && <LimitsPanel bots={here} />}
        {tab === "About" && <AboutPanel bots={here} chatRef={chatRef} />}
      </div>
    </aside>
  );
}

function walkTabs(event: React.KeyboardEvent<HTMLElement>): void {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (!step) return;
  const tabs = [...event.currentTarget.querySelectorAll<HTMLElement>("[role=tab]")];
  const next = tabs[(tabs.indexOf(document.activeElement as HTMLElement) + step + tabs.length) % tabs.length];
  next?.focus();
  next?.click();
}

// -- traffic --------------------------------------------------------------------------------------------------------

type Entry = { at: number; key: string; call: Call } | { at: number; key: string; update: Update; deliveries: Delivery[] };

function TrafficPanel({ chatRef }: { chatRef: string }) {
  const [calls, setCalls] = useState<Call[]>([]);
  const [updates, setUpdates] = useState<Updates>({ updates: [], deliveries: [] });
  const [shown, setShown] = useState(SHOWN_FIRST);
  const [paused, setPaused] = useState(false);
  const pausedNow = useRef(false);
  pausedNow.current = paused;

  useEffect(() => {
    let source: EventSource | null = null;
    let current = true;
    let waiting: Call[] = [];
    const take = (call: Call) => {
      if (waiting.length === 0) {
        window.setTimeout(() => {
          const young = waiting;
          waiting = [];
          if (current && !pausedNow.current) setCalls((old) => [...old, ...young].slice(-KEPT));
        }, 50);
      }
      waiting.push(call);
    };
    void attempt(async () => {
      const first = await api.get<Traffic>(`/page${chatPath(chatRef)}/calls`);
      if (!current) return;
      setCalls(first.calls);
      source = api.stream(`/page${chatPath(chatRef)}/calls/stream?after=${first.cursor}`);
      source.onmessage = (event) => take(JSON.parse(event.data as string) as Call);
    });
    return () => {
      current = false;
      source?.close();
    };
  }, [chatRef]);

  const newest = calls.at(-1)?.seq ?? 0;
  useEffect(() => {
    let current = true;
    const look = async () => {
      if (document.hidden || pausedNow.current) return;
      try {
        const got = await api.get<Updates>(`/page${chatPath(chatRef)}/updates`);
        if (current) setUpdates(got);
      } catch {
        // shown as the lost connection
      }
    };
    void look();
    const timer = window.setInterval(() => void look(), LOOK_MS);
    return () => {
      current = false;
      window.clearInterval(timer);
    };
  }, [chatRef, newest]);

  const entries = entriesOf(calls, updates);
  return (
    <>
      <div className="panel-line">
        <span className="hint">{entries.length ? `${entries.length} newest, newest first` : ""}</span>
        <button type="button" className="plain" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? "Go on" : "Pause"}
        </button>
      </div>
      {entries.length === 0 && <p className="hint">Calls and updates of this chat appear here as they happen. Write something.</p>}
      <ol className="entries" reversed>
        {entries.slice(0, shown).map((entry) => (
          <li key={entry.key}>{"call" in entry ? <CallEntry call={entry.call} /> : <UpdateEntry update={entry.update} deliveries={entry.deliveries} />}</li>
        ))}
      </ol>
      {entries.length > shown && (
        <button type="button" className="plain wide" onClick={() => setShown(shown + SHOWN_FIRST)}>
          Show more
        </button>
      )}
    </>
  );
}

function entriesOf(calls: Call[], { updates, deliveries }: Updates): Entry[] {
  const attempts = new Map<number, Delivery[]>();
  for (const one of deliveries) attempts.set(one.update_id, [...(attempts.get(one.update_id) ?? []), one]);
  return [
    ...calls.map((call): Entry => ({ at: call.time, key: `c${call.seq}`, call })),
    ...updates.map((update): Entry => ({ at: update.created_at, key: `u${update.bot_id}.${update.update_id}`, update, deliveries: attempts.get(update.update_id) ?? [] })),
  ].sort((a, b) => b.at - a.at);
}

function CallEntry({ call }: { call: Call }) {
  const [open, setOpen] = useState(false);
  const [menu, setMenu] = useState<{ x: number; y: number } | null>(null);
  return (
    <div className={call.ok ? "entry" : "entry bad"}>
      <div className="entry-line">
        <button type="button" className="entry-open" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span className="entry-mark" aria-label="call">
            ↑
          </span>
          <code>{call.method}</code>
          <span className={call.ok ? "chip good" : "chip bad"}>{call.status || "cut"}</span>
          {call.fault !== null && <span className="chip warn">fault {call.fault}</span>}
          <time>{exactTimeOf(call.time)}</time>
        </button>
        <button type="button" className="round small" aria-label={`Make the next ${call.method} fail`} title="Make the next one fail" aria-haspopup="menu" onClick={(event) => setMenu(under(event.currentTarget))}>
          <Icon name="bolt" />
        </button>
      </div>
      {!call.ok && <p className="entry-why">{call.description}</p>}
      {open && (
        <>
          <p className="hint">
            by {call.via}, call {call.seq}
          </p>
          <Json title="Parameters" value={call.parameters} />
          <Json title={call.ok ? "Result" : "Answer"} value={call.ok ? call.result : { ok: false, error_code: call.status, description: call.description }} />
        </>
      )}
      {menu && <Menu at={menu} label={`Make the next ${call.method} fail`} onClose={() => setMenu(null)} choices={QUICK.map((quick) => ({ label: quick.label, act: () => void addFault({ kind: quick.kind, bot_id: call.bot_id, method: call.method }) }))} />}
    </div>
  );
}

function UpdateEntry({ update, deliveries }: { update: Update; deliveries: Delivery[] }) {
  const [open, setOpen] = useState(false);
  const tone = update.state === "pending" ? "warn" : ["delivered", "confirmed"].includes(update.state) ? "good" : "bad";
  const last = deliveries.at(-1);
  return (
    <div className="entry incoming">
      <div className="entry-line">
        <button type="button" className="entry-open" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span className="entry-mark" aria-label="update">
            ↓
          </span>
          <code>{update.kind}</code>
          <span className={`chip ${tone}`}>{update.state}</span>
          {deliveries.length > 1 && <span className="chip warn">{deliveries.length} attempts</span>}
          <time>{exactTimeOf(update.created_at)}</time>
        </button>
      </div>
      {last?.error && update.state === "pending" && <p className="entry-why">{last.error}</p>}
      {open && (
        <>
          <ul className="attempts">
            {deliveries.map((one) => (
              <li key={one.seq}>
                <time>{exactTimeOf(one.time)}</time> {one.via} {one.attempt > 1 ? `attempt ${one.attempt}: ` : ""}
                {one.outcome}
                {one.status ? `, ${one.status}` : ""}
                {one.error ? `, ${one.error}` : ""} ({Math.round(one.latency_s * 1000)} ms)
                {one.fault !== null && <span className="chip warn">fault {one.fault}</span>}
                {one.retry_at !== null && <span> again at {exactTimeOf(one.retry_at)}</span>}
              </li>
            ))}
          </ul>
          <Json title={`Update ${update.update_id}`} value={update.update} />
        </>
      )}
    </div>
  );
}

// -- faults ---------------------------------------------------------------------------------------------------------

const QUICK = [
  { kind: "429", label: "429, wait a second" },
  { kind: "500", label: "500, nothing happened" },
  { kind: "effect_then_drop", label: "Done, but the answer is lost" },
  { kind: "slow", label: "Answer a second late" },
  { kind: "malformed", label: "Answer that is not JSON" },
  { kind: "blocked", label: "403, blocked by the person" },
  { kind: "duplicate", label: "Next update comes twice" },
  { kind: "lost_ack", label: "Next update's 200 is lost" },
];
/** A bot that polls calls getUpdates all the time, so that "any call" would mostly be that. */
const METHODS = ["sendMessage", "editMessageText", "answerCallbackQuery", "deleteMessage", "sendPhoto", "sendInvoice", "answerPreCheckoutQuery", "getUpdates"];
const DELIVERIES = new Set(["duplicate", "lost_ack", "late"]);

async function addFault(rule: { kind: string; bot_id: number | null; method?: string | null; chat_id?: number | null; count?: number | null }): Promise<void> {
  const method = DELIVERIES.has(rule.kind) ? null : (rule.method ?? null);
  const made = await attempt(() => api.post<Fault>("/faults", { ...rule, method }));
  if (made) toast(`Fault ${made.id} is armed: ${made.kind}${method ? ` on the next ${method}` : ""}.`);
}

function FaultsPanel({ bots, chatRef }: { bots: Bot[]; chatRef: string }) {
  const [rules, setRules] = useState<Fault[]>([]);
  const [kinds, setKinds] = useState<FaultKind[]>([]);
  const [method, setMethod] = useState("sendMessage");
  const bot = bots[0] ?? null;
  const look = async () => {
    const got = await api.get<Fault[]>("/faults").catch(() => null);
    if (got) setRules(got);
  };
  useEffect(() => {
    void look();
    api.get<FaultKind[]>("/faults/kinds").then(
      (got) => Array.isArray(got) && setKinds(got),
      () => undefined,
    );
    const timer = window.setInterval(() => void look(), LOOK_MS);
    return () => window.clearInterval(timer);
  }, []);
  const arm = async (kind: string) => {
    await addFault({ kind, bot_id: bot?.id ?? null, method: method || null });
    await look();
  };
  return (
    <>
      <label className="inline">
        Break, once, the next
        <select value={method} onChange={(event) => setMethod(event.target.value)}>
          {METHODS.map((name) => (
            <option key={name}>{name}</option>
          ))}
          <option value="">call of any kind</option>
        </select>
        of {bot ? bot.first_name : "any bot"}
      </label>
      <div className="quick">
        {QUICK.map((quick) => (
          <button key={quick.kind} type="button" onClick={() => void arm(quick.kind)}>
            <Icon name="bolt" />
            {quick.label}
          </button>
        ))}
      </div>
      {kinds.length > 0 && <MoreFaults kinds={kinds} bot={bot} chatRef={chatRef} onAdded={() => void look()} />}
      <div className="panel-line">
        <h3>Rules</h3>
        {rules.length > 0 && (
          <button type="button" className="plain" onClick={() => void attempt(() => api.delete("/faults")).then(look)}>
            Remove all
          </button>
        )}
      </div>
      {rules.length === 0 && <p className="hint">Nothing goes wrong on purpose.</p>}
      <ul className="rules">
        {rules.map((rule) => (
          <li key={rule.id} className={rule.count !== null && rule.fired >= rule.count ? "spent" : undefined}>
            <span>
              <code>{rule.kind}</code> {rule.method ? `on ${rule.method} ` : ""}
              {rule.bot_id === null ? "of any bot" : ""}
            </span>
            <span className="chip">
              {rule.fired} of {rule.count ?? "∞"}
            </span>
            <button type="button" className="round small" aria-label={`Remove rule ${rule.id}`} onClick={() => void attempt(() => api.delete(`/faults/${rule.id}`)).then(look)}>
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function MoreFaults({ kinds, bot, chatRef, onAdded }: { kinds: FaultKind[]; bot: Bot | null; chatRef: string; onAdded: () => void }) {
  const [kind, setKind] = useState("429");
  const chosen = kinds.find((one) => one.kind === kind);
  return (
    <details className="more">
      <summary>Another fault</summary>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const given = new FormData(event.currentTarget);
          const count = Number(given.get("count"));
          const here = given.get("chat") !== null;
          void addFault({
            kind,
            bot_id: bot?.id ?? null,
            method: String(given.get("method") ?? "").trim() || null,
            chat_id: here ? Number(chatRef.split(":").at(-1)) : null,
            count: count || null,
          }).then(onAdded);
        }}
      >
        <label>
          What
          <select value={kind} onChange={(event) => setKind(event.target.value)}>
            {kinds.map((one) => (
              <option key={one.kind}>{one.kind}</option>
            ))}
          </select>
        </label>
        <p className="hint">{chosen?.explanation}</p>
        <label>
          Method (empty: any)
          <input name="method" placeholder="sendMessage" />
        </label>
        <label>
          How often (0: for ever)
          <input name="count" type="number" min={0} defaultValue={1} />
        </label>
        <label className="check">
          <input name="chat" type="checkbox" /> only in this chat
        </label>
        <button type="submit" className="primary">
          Add
        </button>
      </form>
    </details>
  );
}

// -- limits ---------------------------------------------------------------------------------------------------------

function LimitsPanel({ bots }: { bots: Bot[] }) {
  const [settings, setSettings] = useState<Settings | null>(null);
  const [limits, setLimits] = useState<Limits | null>(null);
  const bot = bots[0];
  useEffect(() => {
    const look = () => {
      api.get<Settings>("/settings").then(setSettings, () => undefined);
      api.get<Limits>(`/limits${bot ? `?bot=${bot.id}` : ""}`).then(
        (got) => Array.isArray(got.budgets) && setLimits(got),
        () => undefined,
      );
    };
    look();
    const timer = window.setInterval(look, LOOK_MS);
    return () => window.clearInterval(timer);
  }, [bot]);
  if (!settings) return <p className="hint">…</p>;
  const choose = async (profile: string) => {
    setSettings({ ...settings, limits: profile });
    await attempt(() => api.put<Settings>("/settings", { ...settings, limits: profile }));
  };
  return (
    <>
      <fieldset className="choice">
        <legend>Telegram's limits</legend>
        {["on", "strict", "off"].map((profile) => (
          <label key={profile}>
            <input type="radio" name="limits" checked={settings.limits === profile} onChange={() => void choose(profile)} /> {profile}
          </label>
        ))}
      </fieldset>
      <p className="hint">A message a second to a chat, 20 a minute to a group, 30 a second for a bot; whoever is faster gets 429.</p>
      {limits && (
        <>
          <h3>Budgets in use</h3>
          {limits.budgets.length === 0 && <p className="hint">None.</p>}
          <ul className="rules">
            {limits.budgets.slice(0, 20).map((one, at) => (
              <li key={at} title={one.explanation}>
                <span>
                  <code>{one.budget}</code> {one.chat_id ?? ""}
                </span>
                <span className={one.closed_for_s > 0 ? "chip bad" : "chip"}>{one.closed_for_s > 0 ? `closed for ${one.closed_for_s.toFixed(1)} s` : `room for ${one.room === null ? "all" : Math.floor(one.room)}`}</span>
              </li>
            ))}
          </ul>
          <h3>Refused</h3>
          {limits.hits.length === 0 && <p className="hint">No call was too fast.</p>}
          <ul className="attempts">
            {limits.hits.slice(0, 20).map((hit, at) => (
              <li key={at}>
                <time>{exactTimeOf(hit.time)}</time> {hit.explanation} (retry after {hit.retry_after_s} s)
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

// -- about ----------------------------------------------------------------------------------------------------------

function AboutPanel({ bots, chatRef }: { bots: Bot[]; chatRef: string }) {
  const me = useStore((state) => state.me);
  useEffect(() => {
    void refreshTown().catch(() => undefined);
  }, []);
  return (
    <>
      {bots.map((bot) => (
        <dl key={bot.id} className="facts">
          <div>
            <dt>Bot</dt>
            <dd>
              {bot.first_name} <small>@{bot.username}</small>
            </dd>
          </div>
          <div>
            <dt>Bot id</dt>
            <dd>{bot.id}</dd>
          </div>
          <div>
            <dt>Updates</dt>
            <dd>{bot.webhook_url ? <code>{bot.webhook_url}</code> : "by getUpdates"}</dd>
          </div>
          <div>
            <dt>Undelivered</dt>
            <dd>{bot.pending}</dd>
          </div>
        </dl>
      ))}
      <dl className="facts">
        <div>
          <dt>You</dt>
          <dd>
            {me?.first_name} <small>{me?.id}</small>
          </dd>
        </div>
        <div>
          <dt>Chat</dt>
          <dd>
            <code>{chatRef}</code>
          </dd>
        </div>
        <div>
          <dt>Bot API</dt>
          <dd>
            <code>{window.location.origin}</code>
          </dd>
        </div>
        <div>
          <dt>Control API</dt>
          <dd>
            <a href="/sim/v1/docs" target="_blank" rel="noreferrer">
              /sim/v1/docs
            </a>
          </dd>
        </div>
      </dl>
    </>
  );
}
