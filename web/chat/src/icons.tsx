// Line icons, drawn here so that nothing is fetched.

const PATHS = {
  back: "M15 5l-7 7 7 7",
  send: "M4 12l16-8-6 16-3-7z",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4",
  close: "M6 6l12 12M18 6L6 18",
  menu: "M5 7h14M5 12h14M5 17h14",
  more: "M12 5.5v.01M12 12v.01M12 18.5v.01",
  code: "M9 7l-5 5 5 5M15 7l5 5-5 5",
  reply: "M10 7l-6 5 6 5v-3.5c5 0 8 1.5 10 4.5-.5-6-4-8-10-8z",
  edit: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  trash: "M5 7h14M9 7V5h6v2M7 7l1 12h8l1-12",
  copy: "M9 9h10v10H9zM5 15V5h10",
  down: "M12 5v13M6 13l6 6 6-6",
  bolt: "M13 3L5 14h6l-1 7 8-11h-6z",
  theme: "M20 14a8 8 0 1 1-10-10 7 7 0 0 0 10 10z",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 20c0-4 2.500-6 6-6s6 2 6 6M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14.500c2 .8 3 2.600 3 5.500",
  keyboard: "M3 7h18v10H3zM7 10.500v.01M11 10.500v.01M15 10.500v.01M8 14h8",
  clip: "M19 11l-7.500 7.500a4.500 4.500 0 0 1-6.400-6.400L13 4.200a3 3 0 0 1 4.300 4.300L9.600 16.200a1.500 1.500 0 0 1-2.100-2.100L14.500 7",
  file: "M7 3h7l5 5v13H7zM14 3v5h5",
  bot: "M6 9h12v9H6zM12 5v4M9.500 13v.01M14.500 13v.01M3.500 12v3M20.500 12v3",
  check: "M5 12.500l4.500 4.500L19 7.500",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2",
  alert: "M12 8v5M12 16.500v.01M12 3l9.500 17h-19z",
  link: "M14 5h5v5M19 5l-8 8M11 6H5v13h13v-6",
  forward: "M14 7l6 5-6 5v-3.500c-5 0-8 1.500-10 4.500.5-6 4-8 10-8z",
  plus: "M12 5v14M5 12h14",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
