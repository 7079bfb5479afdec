// Who are you? A new person, or one who is there already.

import { useEffect, useState } from "react";
import { Avatar } from "./Avatar";
import { addPerson, attempt, become, refreshTown, useStore } from "./store";

const SHOWN = 12;

export function Welcome() {
  const people = useStore((state) => state.people);
  const bots = useStore((state) => state.bots);
  const [name, setName] = useState("");
  const [all, setAll] = useState(false);
  useEffect(() => {
    const timer = window.setInterval(() => void refreshTown().catch(() => undefined), 2_000);
    return () => window.clearInterval(timer);
  }, []);
  const shown = all ? people.slice(0, 200) : people.slice(-SHOWN);
  return (
    <main className="welcome">
      <div className="welcome-card">
        <img src="/icon.svg" alt="" width="56" height="56" />
        <h1>A small Telegram on this machine</h1>
        <p>Nothing here leaves it. Be somebody, and write to the bots.</p>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void attempt(() => addPerson(name.trim() || "You"));
          }}
        >
          <label htmlFor="name">Your name</label>
          <div className="welcome-line">
            <input id="name" value={name} placeholder="You" maxLength={64} autoComplete="off" autoFocus onChange={(event) => setName(event.target.value)} />
            <button type="submit" className="primary">
              Begin
            </button>
          </div>
        </form>
        {people.length > 0 && (
          <>
            <h2>or be somebody who is here</h2>
            <ul className="people">
              {shown.map((person) => (
                <li key={person.id}>
                  <button type="button" onClick={() => void become(person)}>
                    <Avatar id={person.id} name={person.first_name} small />
                    <span>
                      {person.first_name} {person.last_name}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
            {people.length > SHOWN && !all && (
              <button type="button" className="plain" onClick={() => setAll(true)}>
                Show all {people.length}
              </button>
            )}
          </>
        )}
        <h2>{bots.length ? "Bots that are connected" : "No bot is connected yet"}</h2>
        {bots.length > 0 ? (
          <ul className="bots">
            {bots.slice(0, 12).map((bot) => (
              <li key={bot.id}>
                <Avatar id={bot.id} name={bot.first_name} small />
                <span>{bot.first_name}</span> <small>@{bot.username}</small>
              </li>
            ))}
          </ul>
        ) : (
          <p>
            Point a bot at <code>{window.location.origin}</code> instead of <code>https://api.telegram.org</code>, with any token like <code>123456:secret</code>; then write /start to it here.
          </p>
        )}
      </div>
    </main>
  );
}
