<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The session and all its data are gone. (`session.deleted`) */
final class SessionDeleted extends OpenWaEvent
{
}
