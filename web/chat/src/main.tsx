import { Component, StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { start } from "./store";
import { applyTheme } from "./theme";
import "./style.css";

/** A mistake of the page does not leave a white screen. */
class Net extends Component<{ children: ReactNode }, { why: string | null }> {
  override state = { why: null };
  static getDerivedStateFromError = (error: unknown) => ({ why: String(error) });
  override render() {
    if (this.state.why === null) return this.props.children;
    return (
      <main className="welcome">
        <div className="welcome-card" role="alert">
          <h1>The page made a mistake</h1>
          <p>{this.state.why}</p>
          <p>The simulator and its bots go on.</p>
          <button type="button" className="primary" onClick={() => window.location.reload()}>
            Load the page again
          </button>
        </div>
      </main>
    );
  }
}

applyTheme();
void start();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Net>
      <App />
    </Net>
  </StrictMode>,
);
