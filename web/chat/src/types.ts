// What the control API gives, as far as the page reads it. A test compares the names with its OpenAPI document.

export interface Entity {
  type: string;
  offset: number;
  length: number;
  url?: string;
  language?: string;
  user?: { id: number; first_name: string };
}

export type Wire = Record<string, unknown>;

/** A button under a message; one field says what it does. */
export interface Button {
  text: string;
  style: string | null;
  callback_data: string | null;
  url: string | null;
  pay: boolean;
  web_app: Wire | null;
  login_url: Wire | null;
  copy_text: Wire | null;
  switch_inline_query: string | null;
  switch_inline_query_current_chat: string | null;
  switch_inline_query_chosen_chat: Wire | null;
}

export interface PollOption {
  text: string;
  voters: number;
  correct: boolean;
}

export interface Poll {
  question: string;
  options: PollOption[];
  total_voters: number;
  is_closed: boolean;
  is_anonymous: boolean;
  is_quiz: boolean;
  allows_multiple_answers: boolean;
  explanation: string;
  votes: Record<string, number[]>;
}

export interface Media {
  kind: string;
  url: string | null;
  thumbnail_url: string | null;
  file_name: string;
  mime_type: string;
  size_bytes: number;
  width: number | null;
  height: number | null;
  duration_s: number | null;
  title: string;
  performer: string;
  spoiler: boolean;
  caption_above: boolean;
  location: { latitude: number; longitude: number; live_period: number | null } | null;
  venue: { title: string; address: string } | null;
  contact: { phone_number: string; first_name: string; last_name: string } | null;
  dice: { emoji: string; value: number } | null;
  sticker: { emoji: string } | null;
  raw: Wire;
  invoice: InvoiceForm | null;
  poll: Poll | null;
}

export interface Reaction {
  type: string;
  emoji: string | null;
  by: number[];
}

export interface Message {
  id: number;
  chat: string;
  sender_id: number;
  sender_name: string;
  from_bot: boolean;
  date: number;
  text: string;
  entities: Entity[];
  buttons: Button[][];
  keyboard: Wire | null;
  media: Media | null;
  service: Wire;
  reply_to: number | null;
  edited: boolean;
  deleted: boolean;
  cursor: number;
  album_id: string;
  force_reply: boolean;
  quote: { text: string } | null;
  origin: Wire | null;
  via_bot: number | null;
  /** The chat in whose name it was said, and who signed it. */
  sender_chat: string | null;
  signature: string;
  reactions: Reaction[];
  pinned: boolean;
}

export interface Person {
  id: number;
  first_name: string;
  last_name: string | null;
  username: string | null;
  language_code: string | null;
}

export interface Bot {
  id: number;
  first_name: string;
  username: string;
  webhook_url: string;
  pending: number;
}

export interface Peer {
  id: number;
  name: string;
  username: string | null;
  is_bot: boolean;
}

export interface Dialog {
  ref: string;
  id: number;
  kind: string;
  title: string;
  username: string | null;
  members: Peer[];
  last: Message | null;
  unread: number;
  blocked: boolean;
  migrated_to: number | null;
}

/** A chat as it looks from outside. */
export interface Chat {
  ref: string;
  title: string;
  username: string;
}

export interface Dialogs {
  dialogs: Dialog[];
  cursor: number;
}

export interface Keyboard {
  message: number;
  rows: Wire[][];
  placeholder: string;
  hidden: boolean;
}

export interface Draft {
  id: number;
  text: string;
  entities: Entity[];
  can_stop: boolean;
  is_stopped: boolean;
}

export interface MessagePage {
  messages: Message[];
  more_before: boolean;
  more_after: boolean;
  keyboard: Keyboard | null;
  read: number;
  cursor: number;
}

export interface Found {
  messages: Message[];
}

export interface Change {
  seq: number;
  time: number;
  kind: string;
  bot_id: number | null;
  chat: string | null;
  person_id: number | null;
  message_id: number | null;
  text: string | null;
  details: Wire;
  message: Message | null;
  keyboard: Keyboard | null;
  draft: Draft | null;
  dialog: Dialog | null;
}

export interface Call {
  seq: number;
  time: number;
  bot_id: number;
  method: string;
  via: string;
  chat_id: number | null;
  parameters: Wire;
  ok: boolean;
  status: number;
  result: unknown;
  description: string | null;
  fault: number | null;
}

export interface Traffic {
  calls: Call[];
  cursor: number;
}

export interface Query {
  id: string;
  kind: string;
  answer: Wire | null;
}

export interface Fault {
  id: number;
  kind: string;
  bot_id: number | null;
  chat_id: number | null;
  method: string | null;
  count: number | null;
  fired: number;
}

export interface Settings {
  limits: string;
  strict_bots: boolean;
}

export interface Price {
  label: string;
  amount: number;
}

/** The API's `Invoice`: what a person sees of it. */
export interface InvoiceForm {
  slug: string;
  title: string;
  description: string;
  currency: string;
  prices: Price[];
  total_amount: number;
  tips: number[];
  needs: string[];
  subscription_period_s: number;
  paid: boolean;
}

/** An opened Mini App. */
export interface WebApp {
  id: string;
  source: string;
  url: string;
  init_data: string;
  can_send_data: boolean;
}

/** What a link or a button put before the person; `kind` says which of the fields matter. */
export interface Opened {
  kind: string;
  chat: string | null;
  message: Message | null;
  invoice: InvoiceForm | null;
  web_app: WebApp | null;
  url: string;
  text: string;
  bot: number | null;
}

export interface OrderInfo {
  name?: string;
  phone_number?: string;
  email?: string;
  shipping_address?: Record<string, string>;
}

export interface ShippingOption {
  id: string;
  title: string;
  prices: Price[];
}

export interface Checkout {
  id: string;
  state: string;
  total_amount: number;
  shipping_options: ShippingOption[];
  reason: string;
}

export interface Stars {
  balance: number;
}

export interface BotCommand {
  command: string;
  description: string;
}

export interface Update {
  update_id: number;
  kind: string;
  bot_id: number;
  state: string;
  created_at: number;
  settled_at: number | null;
  expires_at: number | null;
  attempts: number;
  chat_id: number | null;
  update: unknown;
}

export interface Delivery {
  seq: number;
  time: number;
  update_id: number;
  kind: string;
  via: string;
  url: string;
  attempt: number;
  outcome: string;
  status: number;
  error: string | null;
  latency_s: number;
  answer: string;
  fault: number | null;
  retry_at: number | null;
}

export interface Updates {
  updates: Update[];
  deliveries: Delivery[];
}

export interface FaultKind {
  kind: string;
  stage: string;
  explanation: string;
}

export interface Budget {
  budget: string;
  bot_id: number;
  chat_id: number | null;
  room: number | null;
  closed_for_s: number;
  explanation: string;
}

export interface Hit {
  time: number;
  bot_id: number;
  chat_id: number | null;
  retry_after_s: number;
  budget: string;
  explanation: string;
}

export interface Limits {
  profile: string;
  budgets: Budget[];
  hits: Hit[];
}

export interface Commands {
  bot: number;
  commands: BotCommand[];
  menu_button: Wire | null;
}
