<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Notifications;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Notifications\Messages\MailMessage;
use Illuminate\Notifications\Notification;
use OpenWaManager\Laravel\Models\OpenWaSession;
use OpenWaManager\Laravel\OpenWaMessage;

/** What a user is told of a session of theirs, by the channels of `openwa.notify_via`. */
abstract class SessionNotification extends Notification implements ShouldQueue
{
    use Queueable;

    public string $sessionId;

    public string $status;

    public ?string $reason;

    public ?string $phoneNumber;

    final public function __construct(OpenWaSession $session)
    {
        $this->sessionId = $session->session_id;
        $this->status = $session->status;
        $this->reason = $session->reason;
        $this->phoneNumber = $session->phone_number;
    }

    /** @return string[] */
    public function via(mixed $notifiable): array
    {
        return config('openwa.notify_via');
    }

    public function toMail(mixed $notifiable): MailMessage
    {
        return (new MailMessage)->error()->subject($this->subject())->line($this->which())->line($this->advice());
    }

    public function toOpenWa(mixed $notifiable): OpenWaMessage
    {
        return OpenWaMessage::text("{$this->subject()}. {$this->which()} {$this->advice()}");
    }

    /** @return array<string, string|null> */
    public function toArray(mixed $notifiable): array
    {
        return [
            'session_id' => $this->sessionId,
            'status' => $this->status,
            'reason' => $this->reason,
            'phone_number' => $this->phoneNumber,
            'subject' => $this->subject(),
            'advice' => $this->advice(),
        ];
    }

    abstract protected function subject(): string;

    abstract protected function advice(): string;

    private function which(): string
    {
        $why = $this->reason === null ? '' : ", reason: $this->reason";

        return 'Number '.($this->phoneNumber === null ? 'unknown' : "+$this->phoneNumber")." (session $this->sessionId$why).";
    }
}
