<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** What became of a message. `messageId` is the manager's (`msg_…`); it is null for what was written elsewhere. */
abstract class MessageEvent extends OpenWaEvent
{
    public ?string $messageId;

    public ?string $whatsappMessageId;

    public ?string $batchId;

    public ?string $to;

    public ?string $reference;

    public ?string $status;

    public ?string $errorCode;

    public ?string $errorDetail;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->messageId = $this->text('manager_message_id');
        $this->whatsappMessageId = $this->text('message_id');
        $this->batchId = $this->text('batch_id');
        $this->to = $this->text('to');
        $this->reference = $this->text('reference');
        $this->status = $this->text('status');
        $this->errorCode = $this->text('error_code');
        $this->errorDetail = $this->text('error_detail');
    }
}
