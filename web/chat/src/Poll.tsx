// A poll: options to vote for, and how many did.

import { useState } from "react";
import { api, chatPath } from "./api";
import { attempt, read, useStore } from "./store";
import type { Message, Poll as PollView } from "./types";

export function Poll({ message, poll }: { message: Message; poll: PollView }) {
  const me = useStore((state) => state.me?.id ?? 0);
  const mine = poll.votes[String(me)] ?? null;
  const [marked, setMarked] = useState<number[]>([]);
  const vote = async (options: number[]) => {
    setMarked([]);
    await attempt(() => api.post(`${chatPath(message.chat)}/messages/${message.id}/votes`, { person: read().me?.id, options }));
  };
  const choose = (index: number) => {
    if (!poll.allows_multiple_answers) return void vote([index]);
    setMarked(marked.includes(index) ? marked.filter((one) => one !== index) : [...marked, index]);
  };
  const showsResults = mine !== null || poll.is_closed;
  const kind = `${poll.is_anonymous ? "Anonymous" : "Public"} ${poll.is_quiz ? "quiz" : "poll"}`;
  return (
    <div className="poll">
      <strong>{poll.question}</strong>
      <small>{poll.is_closed ? "Final results" : kind}</small>
      {poll.options.map((option, index) => {
        const share = poll.total_voters ? Math.round((option.voters / poll.total_voters) * 100) : 0;
        const chosen = mine?.includes(index) ?? marked.includes(index);
        return (
          <button key={index} type="button" disabled={poll.is_closed || mine !== null} aria-pressed={chosen} onClick={() => choose(index)}>
            <span className="poll-share">{showsResults ? `${share}%` : chosen ? "●" : "○"}</span>
            <span>
              {option.text}
              {showsResults && chosen ? (poll.is_quiz && !option.correct ? " ✗" : " ✓") : ""}
            </span>
            {showsResults && <span className="poll-bar" style={{ width: `${share}%` }} />}
          </button>
        );
      })}
      {marked.length > 0 && (
        <button type="button" className="primary" onClick={() => void vote(marked)}>
          Vote
        </button>
      )}
      {showsResults && poll.explanation && <small>{poll.explanation}</small>}
      <small>
        {poll.total_voters === 1 ? "1 vote" : `${poll.total_voters} votes`}
        {mine !== null && !poll.is_closed && !poll.is_quiz && (
          <button type="button" className="textual" onClick={() => void vote([])}>
            take back
          </button>
        )}
      </small>
    </div>
  );
}
