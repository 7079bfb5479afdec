import { memo } from "react";
import { initials } from "./format";

export const Avatar = memo(function Avatar({ id, name, small }: { id: number; name: string; small?: boolean }) {
  return (
    <span className={`avatar tint-${Math.abs(id) % 7}${small ? " small" : ""}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
});
