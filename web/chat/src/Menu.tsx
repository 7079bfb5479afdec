// A small menu at a point or under its button: arrows move, Escape closes, the focus goes back.

import { useEffect, useLayoutEffect, useRef, type ReactNode } from "react";
import { Icon, type IconName } from "./icons";

export interface Choice {
  label: string;
  icon?: IconName;
  detail?: string;
  bad?: boolean;
  act: () => void;
}

export function Menu({
  at,
  label,
  choices,
  onClose,
  children,
}: {
  at: { x: number; y: number };
  label: string;
  choices: Choice[];
  onClose: () => void;
  children?: ReactNode;
}) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const menu = box.current;
    if (!menu) return;
    const { width, height } = menu.getBoundingClientRect();
    menu.style.left = `${Math.max(8, Math.min(at.x, window.innerWidth - width - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(at.y, window.innerHeight - height - 8))}px`;
  }, [at]);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const away = (event: PointerEvent) => !box.current?.contains(event.target as Node) && onClose();
    document.addEventListener("pointerdown", away);
    return () => {
      document.removeEventListener("pointerdown", away);
      const lostFocus = document.activeElement === document.body || document.activeElement === null;
      if (lostFocus && before instanceof HTMLElement) before.focus();
    };
    // only once: the menu is opened and closed as a whole
    // eslint-disable-next-line
  }, []);
  const move = (step: number) => {
    const items = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const now = items.indexOf(document.activeElement as HTMLElement);
    items[(now + step + items.length) % items.length]?.focus();
  };
  return (
    <div
      ref={box}
      className="menu"
      role="menu"
      aria-label={label}
      onKeyDown={(event) => {
        if (event.key === "ArrowDown") move(1);
        else if (event.key === "ArrowUp") move(-1);
        else if (event.key === "Escape" || event.key === "Tab") onClose();
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      {children}
      {choices.map((choice) => (
        <button
          key={choice.label}
          type="button"
          role="menuitem"
          className={choice.bad ? "bad" : undefined}
          onClick={() => {
            onClose();
            choice.act();
          }}
        >
          {choice.icon && <Icon name={choice.icon} />}
          <span>{choice.label}</span>
          {choice.detail && <small>{choice.detail}</small>}
        </button>
      ))}
    </div>
  );
}

/** Where a menu goes when it hangs under an element. */
export function under(element: Element): { x: number; y: number } {
  const box = element.getBoundingClientRect();
  return { x: box.left, y: box.bottom + 4 };
}
